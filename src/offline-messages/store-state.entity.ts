import { Column, Entity, PrimaryColumn } from 'typeorm';
import { asNumber } from './offline-message.entity.js';

/**
 * What the store knows of itself, in one row: whose it is, and which positions were ever given. Written by Ownership
 * only.
 */
@Entity({ name: 'holdfast_store' })
export class StoreState {
  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'holdfast_store_row' })
  id!: number;

  /** The server that may write: whoever took the store last. */
  @Column({ type: 'varchar', length: 36 })
  owner!: string;

  /** The highest position that was ever reserved; none at or below it is given again. */
  @Column({ type: 'bigint', transformer: asNumber })
  lastPosition!: number;

  /** Until then nothing expires, in milliseconds since 1970, as a clock was set; 0 when none was. */
  @Column({ type: 'bigint', transformer: asNumber })
  sweepAfter!: number;
}

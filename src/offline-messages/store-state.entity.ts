import { Column, Entity, PrimaryColumn } from 'typeorm';
import { asNumber } from './offline-message.entity.js';

/** The state of the store, in one row: its owner, and which positions were ever given. Only Ownership writes it. */
@Entity({ name: 'holdfast_store' })
export class StoreState {
  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'holdfast_store_row' })
  id!: number;

  /** The token of the server that may write: the last one that took the store. */
  @Column({ type: 'varchar', length: 36 })
  owner!: string;

  /** The highest position that was ever reserved. No position up to it is given again. */
  @Column({ type: 'bigint', transformer: asNumber })
  lastPosition!: number;

  /** Nothing expires before this time, in milliseconds since 1970, because a clock was set; 0 when none was. */
  @Column({ type: 'bigint', transformer: asNumber })
  sweepAfter!: number;
}

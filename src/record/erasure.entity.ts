import { Column, Entity, PrimaryColumn } from 'typeorm';
import { asNumber } from '../offline-messages/offline-message.entity.js';

/** A user who is being erased. The row is there until that is done, so that a process that dies meanwhile loses nothing. */
@Entity({ name: 'holdfast_erasure' })
export class Erasure {
  /** Random. The pseudonyms are made with it. */
  @PrimaryColumn({ type: 'varchar', length: 36, primaryKeyConstraintName: 'holdfast_erasure_id' })
  id!: string;

  @Column({ type: 'varchar', length: 128 })
  user!: string;

  /** What becomes of the content that the user has written: `blank` or `keep`. */
  @Column({ type: 'varchar', length: 5 })
  authored!: string;

  /** In milliseconds since 1970. */
  @Column({ type: 'bigint', transformer: asNumber })
  askedAt!: number;
}

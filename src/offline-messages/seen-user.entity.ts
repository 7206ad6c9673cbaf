import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { asNumber } from './offline-message.entity.js';

/** When a user who has left was last seen. Only LastSeen reads and writes it. */
@Entity({ name: 'holdfast_last_seen' })
@Index('holdfast_last_seen_time', ['seenAt'])
export class SeenUser {
  @PrimaryColumn({ type: 'varchar', length: 128, primaryKeyConstraintName: 'holdfast_last_seen_user' })
  name!: string;

  /** When something last came from them, in milliseconds since 1970; it expires `retentionMs` later. */
  @Column({ type: 'bigint', transformer: asNumber })
  seenAt!: number;
}

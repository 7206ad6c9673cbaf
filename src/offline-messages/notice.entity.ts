import { Column, Entity, PrimaryColumn } from 'typeorm';
import { asNumber } from './offline-message.entity.js';

/**
 * A user who was told that something waits. It counts as long as the oldest message of the mailbox has this position:
 * when that one is confirmed, a new spell begins. Only NoticeTable writes it.
 */
@Entity({ name: 'holdfast_notice' })
export class Notice {
  @PrimaryColumn({ type: 'varchar', length: 128, primaryKeyConstraintName: 'holdfast_notice_recipient' })
  recipient!: string;

  /** The position of the oldest message that waited when the user was told. */
  @Column({ type: 'bigint', transformer: asNumber })
  position!: number;
}

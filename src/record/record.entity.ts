import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { asNumber, asNumberOrNull } from '../offline-messages/offline-message.entity.js';

const ORDER = 'holdfast_record_order';

/**
 * A message in the record: what was said, whatever became of its delivery. RecordRows writes it, RecordTable reads it,
 * RecordSweep deletes it.
 */
@Entity({ name: 'holdfast_record' })
@Index('holdfast_record_sent', ['sender', 'id', 'recipient'], { unique: true })
@Index('holdfast_record_sender_number', ['sender', 'senderNumber'])
@Index('holdfast_record_recipient_number', ['recipient', 'recipientNumber'])
@Index('holdfast_record_position', ['position'])
export class RecordRow {
  /** Both names in order, divided by a line feed, which no name has. */
  @PrimaryColumn({ type: 'varchar', length: 257, primaryKeyConstraintName: ORDER })
  conversation!: string;

  /** Its place in the conversation, the same for both sides. */
  @PrimaryColumn({ type: 'bigint', transformer: asNumber, primaryKeyConstraintName: ORDER })
  position!: number;

  @Column({ type: 'varchar', length: 128 })
  sender!: string;

  @Column({ type: 'varchar', length: 128 })
  recipient!: string;

  /** The sender's id for it. */
  @Column({ type: 'varchar', length: 64 })
  id!: string;

  /** Empty when it was erased. */
  @Column({ type: 'text' })
  content!: string;

  /** A JSON object; null where there is none, and when it was erased. */
  @Column({ type: 'text', nullable: true })
  meta!: string | null;

  /** When the server accepted it, in milliseconds since 1970. */
  @Column({ type: 'bigint', transformer: asNumber })
  sentAt!: number;

  /** Its number among all that the sender has sent and received, in the order of the commits. */
  @Column({ type: 'bigint', transformer: asNumber })
  senderNumber!: number;

  /** The same for the recipient. */
  @Column({ type: 'bigint', transformer: asNumber })
  recipientNumber!: number;

  /** When its content was erased, in milliseconds since 1970. */
  @Column({ type: 'bigint', nullable: true, transformer: asNumberOrNull })
  erasedAt!: number | null;
}

import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** For 64-bit integers: Postgres returns them as strings. Ours stay far below 2^53. */
export const asNumber = { to: (value: number) => value, from: (value: string | number) => Number(value) };

/** The same for a column that may be null. */
export const asNumberOrNull = {
  to: (value: number | null) => value,
  from: (value: string | number | null) => (value === null ? null : Number(value)),
};

/**
 * A message that is committed and waits for its recipient. Every driver of TypeORM has the types of these columns. Only
 * OfflineMessageTable writes and deletes rows, many in one statement.
 */
@Entity({ name: 'holdfast_offline_message' })
@Index('holdfast_offline_message_sent', ['sender', 'id', 'recipient'], { unique: true })
@Index('holdfast_offline_message_stored', ['storedAt'])
@Index('holdfast_offline_message_expires', ['expiresAt'], { where: '"expiresAt" IS NOT NULL' })
@Index('holdfast_offline_message_topic', ['recipient', 'sender', 'topic'], { where: '"topic" IS NOT NULL' })
export class OfflineMessage {
  @PrimaryColumn({ type: 'varchar', length: 128, primaryKeyConstraintName: 'holdfast_offline_message_order' })
  recipient!: string;

  /** Its position among all messages of this server: an integer given when it is accepted [protocol 2.4]. */
  @PrimaryColumn({ type: 'bigint', transformer: asNumber, primaryKeyConstraintName: 'holdfast_offline_message_order' })
  position!: number;

  @Column({ type: 'varchar', length: 128 })
  sender!: string;

  /** The sender's id for it, unique per sender and recipient [protocol 2.5]. */
  @Column({ type: 'varchar', length: 64 })
  id!: string;

  @Column({ type: 'text' })
  content!: string;

  /** Length of the content and its meta in bytes of UTF-8. */
  @Column({ type: 'integer' })
  bytes!: number;

  /** When the server accepted it, in milliseconds since 1970. */
  @Column({ type: 'bigint', transformer: asNumber })
  sentAt!: number;

  /** When it was stored, in milliseconds since 1970; it expires `retentionMs` later. */
  @Column({ type: 'bigint', transformer: asNumber })
  storedAt!: number;

  /** What the sender's application added, as JSON; null for most messages, as are the columns below. */
  @Column({ type: 'text', nullable: true })
  meta!: string | null;

  /** When its `ttl` is over, in milliseconds since 1970. */
  @Column({ type: 'bigint', nullable: true, transformer: asNumberOrNull })
  expiresAt!: number | null;

  /** A newer message with the same recipient, sender and topic replaces it. */
  @Column({ type: 'varchar', length: 32, nullable: true })
  topic!: string | null;

  /** 0 very low, 1 low, 2 normal, 3 high. */
  @Column({ type: 'smallint', nullable: true })
  urgency!: number | null;

  /** Where it stands in the record; null when it is not recorded. */
  @Column({ type: 'bigint', nullable: true, transformer: asNumberOrNull })
  recordPosition!: number | null;
}

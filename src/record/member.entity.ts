import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { asNumber, asNumberOrNull } from '../offline-messages/offline-message.entity.js';

const KEY = 'holdfast_member_key';

/** One side of a conversation, and how far it has come in it. A position never goes back. */
@Entity({ name: 'holdfast_member' })
@Index('holdfast_member_newest', ['user', 'newest'])
export class Member {
  /** Both names in order, divided by a line feed. */
  @PrimaryColumn({ type: 'varchar', length: 257, primaryKeyConstraintName: KEY })
  conversation!: string;

  @PrimaryColumn({ type: 'varchar', length: 128, primaryKeyConstraintName: KEY })
  user!: string;

  /** The other side; the user's own name in a conversation with oneself. */
  @Column({ type: 'varchar', length: 128 })
  peer!: string;

  /** The position of the newest message. */
  @Column({ type: 'bigint', transformer: asNumber })
  newest!: number;

  /** Up to where a connection of the user has confirmed; null before the first. */
  @Column({ type: 'bigint', nullable: true, transformer: asNumberOrNull })
  delivered!: number | null;

  /** Up to where the user has read; null before the first. */
  @Column({ type: 'bigint', nullable: true, transformer: asNumberOrNull })
  read!: number | null;
}

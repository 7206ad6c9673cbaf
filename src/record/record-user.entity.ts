import { Column, Entity, PrimaryColumn } from 'typeorm';
import { asNumber } from '../offline-messages/offline-message.entity.js';

/** Somebody of whom something was recorded: where the numbers of `sync` are drawn from. */
@Entity({ name: 'holdfast_record_user' })
export class RecordUser {
  @PrimaryColumn({ type: 'varchar', length: 128, primaryKeyConstraintName: 'holdfast_record_user_name' })
  name!: string;

  /** The number that was drawn last. The row is locked from the draw to the commit. */
  @Column({ type: 'bigint', transformer: asNumber })
  lastNumber!: number;

  /** A message with this number, or a lower one, may be gone. */
  @Column({ type: 'bigint', transformer: asNumber })
  keptFrom!: number;
}

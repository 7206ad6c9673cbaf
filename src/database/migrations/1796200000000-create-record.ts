import { Table, TableIndex, type MigrationInterface, type QueryRunner, type TableColumnOptions } from 'typeorm';
import { schemaOf } from './1795790000001-add-message-extras.js';

const name = (column: string): TableColumnOptions => ({ name: column, type: 'varchar', length: '128' });
/** Two names and the line feed between them. */
const CONVERSATION: TableColumnOptions = { name: 'conversation', type: 'varchar', length: '257' };
const number = (column: string): TableColumnOptions => ({ name: column, type: 'bigint' });
const numberOrNull = (column: string): TableColumnOptions => ({ ...number(column), isNullable: true });
const key = (column: TableColumnOptions, constraint: string): TableColumnOptions => ({
  ...column,
  isPrimary: true,
  primaryKeyConstraintName: constraint,
});
const index = (suffix: string, columnNames: string[], isUnique = false): TableIndex =>
  new TableIndex({ name: `holdfast_record_${suffix}`, columnNames, isUnique });

const RECORD = new Table({
  name: 'holdfast_record',
  columns: [
    key(CONVERSATION, 'holdfast_record_order'),
    key(number('position'), 'holdfast_record_order'),
    name('sender'),
    name('recipient'),
    { name: 'id', type: 'varchar', length: '64' },
    { name: 'content', type: 'text' },
    { name: 'meta', type: 'text', isNullable: true },
    number('sentAt'),
    number('senderNumber'),
    number('recipientNumber'),
    numberOrNull('erasedAt'),
  ],
  indices: [
    index('sent', ['sender', 'id', 'recipient'], true),
    index('sender_number', ['sender', 'senderNumber']),
    index('recipient_number', ['recipient', 'recipientNumber']),
    index('position', ['position']),
  ],
});

const USERS = new Table({
  name: 'holdfast_record_user',
  columns: [key(name('name'), 'holdfast_record_user_name'), number('lastNumber'), number('keptFrom')],
});

const MEMBERS = new Table({
  name: 'holdfast_member',
  columns: [
    key(CONVERSATION, 'holdfast_member_key'),
    key(name('user'), 'holdfast_member_key'),
    name('peer'),
    number('newest'),
    numberOrNull('delivered'),
    numberOrNull('read'),
  ],
  indices: [new TableIndex({ name: 'holdfast_member_newest', columnNames: ['user', 'newest'] })],
});

const ERASURES = new Table({
  name: 'holdfast_erasure',
  columns: [
    key({ name: 'id', type: 'varchar', length: '36' }, 'holdfast_erasure_id'),
    name('user'),
    { name: 'authored', type: 'varchar', length: '5' },
    number('askedAt'),
  ],
});

const TABLES = [RECORD, USERS, MEMBERS, ERASURES];

/**
 * Makes the tables of the record, which stay empty where nothing is recorded, and adds to a waiting message where it
 * stands in the record.
 */
export class CreateRecord1796200000000 implements MigrationInterface {
  readonly name = 'CreateRecord1796200000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const schema = await schemaOf(queryRunner);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message ADD COLUMN "recordPosition" bigint`);
    for (const table of TABLES) await queryRunner.createTable(table);
  }

  /** The record is gone then. What waits stays, and is delivered. */
  async down(queryRunner: QueryRunner): Promise<void> {
    const schema = await schemaOf(queryRunner);
    for (const table of TABLES.toReversed()) await queryRunner.dropTable(table);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message DROP COLUMN "recordPosition"`);
  }
}

import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';
import { OUTGOING_TABLE } from './outgoing-table.js';

/** Makes the table of outgoing messages in the database of an application. */
class CreateOutgoing1795732400000 implements MigrationInterface {
  readonly name = 'CreateOutgoing1795732400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const isPostgres = queryRunner.connection.options.type === 'postgres';
    await queryRunner.createTable(
      new Table({
        name: OUTGOING_TABLE,
        columns: [
          {
            name: 'sequence',
            // SQLite numbers rows in this type only.
            type: isPostgres ? 'bigint' : 'integer',
            isPrimary: true,
            isGenerated: true,
            generationStrategy: 'increment',
            primaryKeyConstraintName: `${OUTGOING_TABLE}_order`,
          },
          { name: 'sender', type: 'varchar', length: '128' },
          { name: 'recipient', type: 'varchar', length: '128' },
          { name: 'id', type: 'varchar', length: '64' },
          { name: 'content', type: 'text' },
          { name: 'extras', type: 'text', isNullable: true },
          { name: 'notBefore', type: 'bigint', isNullable: true },
        ],
        uniques: [{ name: `${OUTGOING_TABLE}_sent`, columnNames: ['sender', 'id', 'recipient'] }],
        indices: [
          { name: `${OUTGOING_TABLE}_ready`, columnNames: ['sequence'], where: '"notBefore" IS NULL' },
          { name: `${OUTGOING_TABLE}_scheduled`, columnNames: ['notBefore'], where: '"notBefore" IS NOT NULL' },
        ],
      }),
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable(OUTGOING_TABLE);
  }
}

/**
 * The migrations of the table of `sendInTransaction`, for the data source of the application: `migrations:
 * [...outgoingMigrations, …]`. They work on Postgres and SQLite.
 */
export const outgoingMigrations = [CreateOutgoing1795732400000];

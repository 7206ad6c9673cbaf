import { Table, TableIndex, type MigrationInterface, type QueryRunner } from 'typeorm';

const TABLE = 'holdfast_offline_message';

/** The table of the messages that wait. Written with the schema builder, so that it runs on every driver. */
export class CreateOfflineMessages1795412536237 implements MigrationInterface {
  readonly name = 'CreateOfflineMessages1795412536237';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.createTable(
      new Table({
        name: TABLE,
        columns: [
          {
            name: 'recipient',
            type: 'varchar',
            length: '128',
            isPrimary: true,
            primaryKeyConstraintName: `${TABLE}_order`,
          },
          { name: 'position', type: 'bigint', isPrimary: true, primaryKeyConstraintName: `${TABLE}_order` },
          { name: 'sender', type: 'varchar', length: '128' },
          { name: 'id', type: 'varchar', length: '64' },
          { name: 'content', type: 'text' },
          { name: 'bytes', type: 'integer' },
          { name: 'sentAt', type: 'bigint' },
          { name: 'storedAt', type: 'bigint' },
        ],
        indices: [
          new TableIndex({ name: `${TABLE}_sent`, columnNames: ['recipient', 'sender', 'id'], isUnique: true }),
          new TableIndex({ name: `${TABLE}_stored`, columnNames: ['storedAt'] }),
        ],
      }),
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable(TABLE);
  }
}

import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

const TABLE = 'holdfast_notice';

/** Makes the table of the users who were told that something waits for them. It stays empty where nobody listens. */
export class CreateNotices1795780000000 implements MigrationInterface {
  readonly name = 'CreateNotices1795780000000';

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
            primaryKeyConstraintName: `${TABLE}_recipient`,
          },
          { name: 'position', type: 'bigint' },
        ],
      }),
    );
  }

  /** An older server tells nobody, so it loses nothing. A newer one tells everybody again for whom something waits. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable(TABLE);
  }
}

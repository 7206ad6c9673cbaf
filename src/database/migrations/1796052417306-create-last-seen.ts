import { Table, TableIndex, type MigrationInterface, type QueryRunner } from 'typeorm';

const TABLE = 'holdfast_last_seen';

/** Makes the table of when each user who has left was last seen. */
export class CreateLastSeen1796052417306 implements MigrationInterface {
  readonly name = 'CreateLastSeen1796052417306';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.createTable(
      new Table({
        name: TABLE,
        columns: [
          {
            name: 'name',
            type: 'varchar',
            length: '128',
            isPrimary: true,
            primaryKeyConstraintName: `${TABLE}_user`,
          },
          { name: 'seenAt', type: 'bigint' },
        ],
        indices: [new TableIndex({ name: `${TABLE}_time`, columnNames: ['seenAt'] })],
      }),
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable(TABLE);
  }
}

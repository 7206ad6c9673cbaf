import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

const TABLE = 'holdfast_store';

/**
 * Makes the table whose one row says who owns the store and which positions were given. A server that finds no row
 * makes it.
 */
export class CreateStoreState1795688566123 implements MigrationInterface {
  readonly name = 'CreateStoreState1795688566123';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.createTable(
      new Table({
        name: TABLE,
        columns: [
          { name: 'id', type: 'integer', isPrimary: true, primaryKeyConstraintName: `${TABLE}_row` },
          { name: 'owner', type: 'varchar', length: '36' },
          { name: 'lastPosition', type: 'bigint' },
          { name: 'sweepAfter', type: 'bigint' },
        ],
      }),
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable(TABLE);
  }
}

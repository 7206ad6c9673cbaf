import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Adds what a sender may add to a message: `meta`, `ttl`, `topic` and `urgency`. A column that may be null is added
 * without touching a row, where the schema builder would copy the whole table of SQLite. Messages without extras are in
 * none of the indexes, so their rows cost what they did. Without the columns, a message is still there, as a plain one.
 */
export class AddMessageExtras1795790000001 implements MigrationInterface {
  readonly name = 'AddMessageExtras1795790000001';

  async up(queryRunner: QueryRunner): Promise<void> {
    const schema = await schemaOf(queryRunner);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message ADD COLUMN "meta" text`);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message ADD COLUMN "expiresAt" bigint`);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message ADD COLUMN "topic" varchar(32)`);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message ADD COLUMN "urgency" smallint`);
    await queryRunner.query(
      `CREATE INDEX "holdfast_offline_message_expires" ON ${schema}holdfast_offline_message ("expiresAt") WHERE "expiresAt" IS NOT NULL`,
    );
    await queryRunner.query(
      `CREATE INDEX "holdfast_offline_message_topic" ON ${schema}holdfast_offline_message ("recipient", "sender", "topic") WHERE "topic" IS NOT NULL`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const schema = await schemaOf(queryRunner);
    await queryRunner.query(`DROP INDEX ${schema}"holdfast_offline_message_topic"`);
    await queryRunner.query(`DROP INDEX ${schema}"holdfast_offline_message_expires"`);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message DROP COLUMN "urgency"`);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message DROP COLUMN "topic"`);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message DROP COLUMN "expiresAt"`);
    await queryRunner.query(`ALTER TABLE ${schema}holdfast_offline_message DROP COLUMN "meta"`);
  }
}

/** The schema of the store with a dot behind it. A data source with the option `schema` may look elsewhere first. */
export async function schemaOf(queryRunner: QueryRunner): Promise<string> {
  const schema = (await queryRunner.getTable('holdfast_offline_message'))?.schema;
  return schema === undefined ? '' : `"${schema.replaceAll('"', '""')}".`;
}

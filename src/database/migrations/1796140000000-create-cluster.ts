import type { MigrationInterface, QueryRunner } from 'typeorm';
import { schemaOf } from './1795790000001-add-message-extras.js';

/**
 * Makes the tables of a cluster, on Postgres alone: what its nodes share, the nodes, and who has which slot. A single
 * server makes them and leaves them empty, so that starting the first node needs no more than its option. A slot always
 * has its row: whoever takes it updates that.
 */
export class CreateCluster1796140000000 implements MigrationInterface {
  readonly name = 'CreateCluster1796140000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    if (queryRunner.connection.options.type !== 'postgres') return;
    const schema = await schemaOf(queryRunner);
    await queryRunner.query(
      `CREATE TABLE ${schema}holdfast_cluster (
         one boolean CONSTRAINT holdfast_cluster_row PRIMARY KEY DEFAULT true CHECK (one),
         id varchar(64) NOT NULL,
         key bytea NOT NULL CHECK (octet_length(key) = 32),
         version bigint NOT NULL,
         sessions varchar(32) NOT NULL)`,
    );
    await queryRunner.query(
      `CREATE TABLE ${schema}holdfast_node (
         id bigint CONSTRAINT holdfast_node_key PRIMARY KEY,
         beat timestamptz NOT NULL,
         leaving boolean NOT NULL DEFAULT false,
         unheard integer NOT NULL DEFAULT 0,
         release varchar(64) NOT NULL,
         options text NOT NULL DEFAULT '')`,
    );
    await queryRunner.query(`CREATE SEQUENCE ${schema}holdfast_node_id`);
    await queryRunner.query(
      `CREATE TABLE ${schema}holdfast_slot (
         slot smallint CONSTRAINT holdfast_slot_key PRIMARY KEY CHECK (slot BETWEEN 0 AND 1023),
         node bigint,
         wanted bigint)`,
    );
    await queryRunner.query(`INSERT INTO ${schema}holdfast_slot (slot) SELECT generate_series(0, 1023)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    if (queryRunner.connection.options.type !== 'postgres') return;
    const schema = await schemaOf(queryRunner);
    // Only nodes use this index, and without the tables there are none.
    await queryRunner.query(`DROP INDEX IF EXISTS ${schema}holdfast_offline_message_slot`);
    await queryRunner.query(`DROP TABLE ${schema}holdfast_slot`);
    await queryRunner.query(`DROP SEQUENCE ${schema}holdfast_node_id`);
    await queryRunner.query(`DROP TABLE ${schema}holdfast_node`);
    await queryRunner.query(`DROP TABLE ${schema}holdfast_cluster`);
  }
}

import { TableIndex, type MigrationInterface, type QueryRunner } from 'typeorm';

const TABLE = 'holdfast_offline_message';
const INDEX = `${TABLE}_sent`;

/**
 * The index of what was sent begins with the sender now. Ids that grow with time go to the end of their sender's part,
 * where a commit finds them on a few pages; with the recipient first, each message had a page of its own to write.
 */
export class OrderSentIndexBySender1795642846524 implements MigrationInterface {
  readonly name = 'OrderSentIndexBySender1795642846524';

  up(queryRunner: QueryRunner): Promise<void> {
    return replaceIndex(queryRunner, ['sender', 'id', 'recipient']);
  }

  down(queryRunner: QueryRunner): Promise<void> {
    return replaceIndex(queryRunner, ['recipient', 'sender', 'id']);
  }
}

async function replaceIndex(queryRunner: QueryRunner, columnNames: string[]): Promise<void> {
  await queryRunner.dropIndex(TABLE, INDEX);
  await queryRunner.createIndex(TABLE, new TableIndex({ name: INDEX, columnNames, isUnique: true }));
}

import type { DataSource } from 'typeorm';

/** Statements that fill the record of a store that no server has open: `count` messages between two users. */
export async function fillRecord(
  store: DataSource,
  from: string,
  to: string,
  count: number,
  content = 'x',
): Promise<void> {
  const isPostgres = store.options.type === 'postgres';
  const conversation = [from, to].sort().join('\n');
  const direction = from > to ? 1 : 0;
  const numbers = isPostgres
    ? `SELECT generate_series(1, ${count}) AS n`
    : `WITH RECURSIVE all_of(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM all_of WHERE n < ${count}) SELECT n FROM all_of`;
  const quote = (text: string) => `'${text}'`;
  const id = `${quote(`${from}-${to}-`)} || n`;
  await store.query(
    `INSERT INTO holdfast_record (conversation, position, sender, recipient, id, content, meta, "sentAt", "senderNumber", "recipientNumber")
     SELECT ${quote(conversation)}, CAST(n AS bigint) * 4096 + ${direction}, ${quote(from)}, ${quote(to)}, ${id}, ${quote(content)}, NULL, n, n, n
     FROM (${numbers}) AS numbers`,
  );
  await store.query(
    `INSERT INTO holdfast_record_user (name, "lastNumber", "keptFrom") VALUES (${quote(from)}, ${count}, 0), (${quote(to)}, ${count}, 0)
     ON CONFLICT (name) DO NOTHING`,
  );
  const newest = count * 4_096 + direction;
  await store.query(
    `INSERT INTO holdfast_member (conversation, "user", peer, newest)
     VALUES (${quote(conversation)}, ${quote(from)}, ${quote(to)}, ${newest}), (${quote(conversation)}, ${quote(to)}, ${quote(from)}, ${newest})`,
  );
}

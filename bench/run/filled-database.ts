import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { databaseIn, MeasuredServer } from './measured-server.js';

/** Messages that wait for each user in a filled database. */
const PER_USER = 100;

/** Holdfast databases in which messages of other users wait already. Each is made once and copied for each round. */
export class FilledDatabases {
  private readonly made = new Map<number, Promise<string>>();

  constructor(
    private readonly folder: string,
    private readonly code: string,
  ) {}

  /** Copies a database with `rows` rows to where the server looks for it. */
  async putInto(folder: string, rows: number): Promise<void> {
    if (rows === 0) return;
    if (!this.made.has(rows)) this.made.set(rows, this.make(rows));
    await copyFile(await this.made.get(rows)!, databaseIn(folder));
  }

  private async make(rows: number): Promise<string> {
    const folder = join(this.folder, `filled-${rows}`);
    await mkdir(folder);
    const server = await MeasuredServer.start('holdfast-json', folder, this.code); // The server makes the table.
    await server.stop();
    const database = await new DataSource({ type: 'sqlite', database: databaseIn(folder) }).initialize();
    const now = Date.now();
    await database.query(
      `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)
       INSERT INTO holdfast_offline_message (recipient, position, sender, id, content, bytes, sentAt, storedAt)
       SELECT printf('x%06d', i / ${PER_USER}), i + 1, 'x-sender', printf('%08d', i), printf('%064d', i), 64, ?, ? FROM n`,
      [rows, now, now],
    );
    await database.query('PRAGMA wal_checkpoint(TRUNCATE)');
    await database.destroy();
    return databaseIn(folder);
  }
}

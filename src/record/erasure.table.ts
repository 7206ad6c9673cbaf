import type { StoreAccess } from '../offline-messages/store-access.js';

/** What becomes of the content that an erased user has written: `blank` empties it, `keep` leaves it to the others. */
export type Authored = 'blank' | 'keep';

/** A user who is being erased. */
export interface OpenErasure {
  /** Random. The pseudonyms are made with it. */
  readonly id: string;
  readonly user: string;
  readonly authored: Authored;
}

const TABLE = 'holdfast_erasure';

/** The SQL of the erasures that are not done. Its calls reject with STORE_UNAVAILABLE when the database fails. */
export class ErasureTable {
  constructor(private readonly access: StoreAccess) {}

  async add({ id, user, authored }: OpenErasure, askedAt: number): Promise<void> {
    await this.query(`INSERT INTO ${TABLE} (id, "user", authored, "askedAt") VALUES (?, ?, ?, CAST(? AS bigint))`, [
      id,
      user,
      authored,
      askedAt,
    ]);
  }

  /** Returns all of them, the oldest first. */
  async open(): Promise<OpenErasure[]> {
    const { records } = await this.query<OpenErasure>(
      `SELECT id, "user", authored FROM ${TABLE} ORDER BY "askedAt", id`,
      [],
    );
    return records;
  }

  async isOpen(id: string): Promise<boolean> {
    const { records } = await this.query(`SELECT 1 FROM ${TABLE} WHERE id = ?`, [id]);
    return records.length > 0;
  }

  /** It is done: nothing of it stays. */
  async remove(id: string): Promise<void> {
    await this.query(`DELETE FROM ${TABLE} WHERE id = ?`, [id]);
  }

  private query<Row>(sql: string, parameters: unknown[]): Promise<{ records: Row[] }> {
    return this.access.inTurn(() => this.access.statements.query<Row>(sql, parameters));
  }
}

import { positionText } from '../../src/protocol/position.js';
import type { WireRecorded } from '../../src/protocol/wire.js';
import type { Entry } from './history.js';

/** A message as the database has it in the record. */
export type RecordedRow = Pick<WireRecorded, 'from' | 'to' | 'id' | 'content' | 'position'>;

/** The most faults that are told. */
const FAULTS_TOLD = 20;

/** Reads the whole record in the order of its positions. `query` runs one statement on a Postgres. */
export async function readRecord(query: (sql: string) => Promise<unknown[]>): Promise<RecordedRow[]> {
  const rows = await query(
    `SELECT sender AS "from", recipient AS "to", id, content, CAST(position AS text) AS position
     FROM holdfast_record ORDER BY holdfast_record.position`,
  );
  return (rows as RecordedRow[]).map((row) => ({ ...row, position: positionText(Number(row.position)) }));
}

/**
 * Returns what is wrong with a record after everybody has an answer, in sentences. Each message with a receipt has to be
 * in it once, where its receipt and one of its arrivals say, and what one user sent to another in the order in which it
 * was handed in. Nothing else may be in it. One that was sent again may come as that only: then the record has it from
 * the time before, of which nobody heard.
 */
export function faultsOfRecord(entries: readonly Entry[], rows: readonly RecordedRow[]): string[] {
  const faults: string[] = [];
  const sent = new Map(entries.map((entry) => [keyOf(entry.message), entry]));
  const seen = new Set<string>();
  const newest = new Map<string, number>();
  for (const row of rows) {
    const entry = sent.get(keyOf(row));
    const name = `${row.id} at ${row.position}`;
    if (!entry) {
      faults.push(`${name} was never sent`);
      continue;
    }
    if (seen.has(keyOf(row))) faults.push(`${name} is there twice`);
    seen.add(keyOf(row));
    const { message, receipt, positions, attempts, firstAttempt, lastAttempt } = entry;
    if (row.content !== message.content) faults.push(`${name} is there in other words`);
    if (receipt?.position !== undefined && receipt.position !== row.position) {
      faults.push(`${name} is at ${receipt.position} by its receipt`);
    }
    const isOfBefore = attempts > 1 && positions.every((position) => position > row.position);
    if (positions.length > 0 && !positions.includes(row.position) && !isOfBefore) {
      faults.push(`${name} came to ${row.to} as ${positions.join(', ')}`);
    }
    const lane = `${row.from}\n${row.to}`;
    const latest = newest.get(lane) ?? 0;
    if (lastAttempt < latest) faults.push(`${name} is behind a later one of ${row.from} to ${row.to}`);
    newest.set(lane, Math.max(latest, firstAttempt));
  }
  for (const [key, { message, receipt }] of sent) {
    if (receipt && !seen.has(key)) faults.push(`${message.id} was called ${receipt.status} and is not there`);
  }
  return faults.slice(0, FAULTS_TOLD);
}

/** Returns what a device has got otherwise than the record has it, in sentences. It has to have each message once. */
export function faultsOfDevice(user: string, items: readonly RecordedRow[], rows: readonly RecordedRow[]): string[] {
  const faults: string[] = [];
  const got = new Map<string, RecordedRow>();
  for (const item of items) {
    if (got.has(keyOf(item))) faults.push(`${user} got ${item.id} twice`);
    got.set(keyOf(item), item);
  }
  for (const row of rows) {
    if (row.from !== user && row.to !== user) continue;
    const item = got.get(keyOf(row));
    got.delete(keyOf(row));
    if (!item) faults.push(`${user} did not get ${row.id} at ${row.position}`);
    else if (item.position !== row.position || item.content !== row.content) {
      faults.push(`${user} got ${row.id} at ${item.position}, and it is at ${row.position}`);
    }
  }
  for (const { id, position } of got.values()) faults.push(`${user} got ${id} at ${position}, which is not there`);
  return faults.slice(0, FAULTS_TOLD);
}

function keyOf({ from, to, id }: Pick<RecordedRow, 'from' | 'to' | 'id'>): string {
  return `${from}\n${to}\n${id}`;
}

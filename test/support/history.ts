/** A direct message as its sender hands it in. */
export interface SentMessage {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly content: string;
}

/** A direct message as it came to its recipient. */
export interface Arrival extends SentMessage {
  /** A connection of the recipient. Its name is unique in a history. */
  readonly connection: string;
  /** Null on a text connection, which has no seq. */
  readonly seq: number | null;
  /** It had to wait. */
  readonly stored: boolean;
  /** Where it stands in the record, if it is in it and the connection is told. */
  readonly position?: string;
}

/** The outcome of a history. Each counter counts messages, except `resent` and `unexpected`. */
export interface Verdict {
  /** Handed in, once or more often. */
  readonly attempts: number;
  /** How often one was handed in again. */
  readonly resent: number;
  /** The sender has a receipt. */
  readonly acknowledged: number;
  /** Of these, how many were receipted `delivered`. The others were receipted `stored`. */
  readonly delivered: number;
  readonly refused: number;
  /** The sender has a receipt and the recipient never got it. */
  readonly lost: number;
  /** Came more often than once, always the same. */
  readonly duplicated: number;
  /**
   * What only a fault can cause: a message that was never handed in, or has another content; one that came again on the
   * same connection while it was unacknowledged there or was not handed in again; a wrong `seq`; a receipt without a
   * message.
   */
  readonly unexpected: number;
  /** Has a receipt from before a kill, and came after it. */
  readonly recovered: number;
  /**
   * Came after a message of the same sender to the same recipient that was handed in after the last attempt of this
   * one.
   */
  readonly reordered: number;
  /** Was receipted `delivered` before its recipient had acknowledged it. */
  readonly premature: number;
  /** A sentence for each of the first faults. */
  readonly faults: readonly string[];
}

/** A message and what became of it. */
export interface Entry {
  readonly message: SentMessage;
  readonly firstAttempt: number;
  lastAttempt: number;
  attempts: number;
  /** Of these attempts, how many in this run. */
  attemptsInRun: number;
  run: number;
  receipt: { readonly status: string; readonly run: number; readonly position?: string | undefined } | null;
  receiptsInRun: number;
  refused: boolean;
  arrivals: number;
  /** Where it stands in the record, by its arrivals. An attempt that was refused may have named another place. */
  readonly positions: string[];
  arrivedInRun: number | null;
  confirmed: boolean;
}

interface Reading {
  lastSeq: number;
  unacknowledged: { readonly entry: Entry; readonly seq: number | null }[];
  readonly arrivals: Map<Entry, number>;
}

/** The most faults that are described. The counters count them all. */
const FAULTS_TOLD = 20;

/**
 * Records what clients did and saw over several runs of a server, in order, and judges it. It only knows the promise of
 * the server [protocol 2]. Where it can't see, it decides in the server's favour: when a message was handed in twice,
 * nobody can say which one came.
 */
export class History {
  /**
   * `parts: 'may-fail'` is for a server of several processes that are killed while connections stay: what was not
   * acknowledged may come again on such a connection.
   */
  constructor(private readonly settings: { readonly parts?: 'may-fail' } = {}) {}

  private run = 1;
  private clock = 0;
  private readonly byKey = new Map<string, Entry>();
  private readonly readings = new Map<string, Reading>();
  /** By sender and recipient: the latest first attempt of the messages that have come. */
  private readonly lanes = new Map<string, number>();
  private readonly faults: string[] = [];
  private unexpected = 0;
  private reordered = 0;
  private readonly premature = new Set<Entry>();

  /** A sender hands a message in, for the first time or again. */
  attempted(message: SentMessage): void {
    const known = this.byKey.get(keyOf(message));
    const entry = known ?? newEntry(message, (this.clock += 1), this.run);
    if (!known) this.byKey.set(keyOf(message), entry);
    this.enterRun(entry);
    entry.attempts += 1;
    entry.attemptsInRun += 1;
    entry.lastAttempt = this.clock += 1;
  }

  /** The messages whose sender has a receipt, as `sender id`. */
  get receipts(): string[] {
    return this.entries.filter(({ receipt }) => receipt).map(({ message }) => nameOf(message));
  }

  /** All messages that were ever handed in, and what became of them. */
  get entries(): readonly Readonly<Entry>[] {
    return [...this.byKey.values()];
  }

  /** All messages that were ever handed in, as `sender id`. */
  get attempts(): string[] {
    return this.entries.map(({ message }) => nameOf(message));
  }

  /** `position`: where it stands in the record, if it is in it. */
  receipted(from: string, id: string, status: string, position?: string): void {
    const entry = this.byKey.get(keyOf({ from, id }));
    if (!entry) return this.unforeseen(`${from} has a receipt for ${id}, which was never sent`);
    this.enterRun(entry);
    entry.receiptsInRun += 1;
    if (entry.receiptsInRun > entry.attemptsInRun) this.unforeseen(`${from} has a receipt too many for ${id}`);
    entry.receipt ??= { status, run: this.run, position };
    if (entry.receipt.position !== position) this.unforeseen(`${from} has receipts of two positions for ${id}`);
    if (status !== 'delivered' || entry.confirmed) return;
    this.premature.add(entry);
    this.tell(`${id} was called delivered and ${entry.message.to} had not acknowledged it`);
  }

  refused(from: string, id: string): void {
    const entry = this.byKey.get(keyOf({ from, id }));
    if (entry) entry.refused = true;
    else this.unforeseen(`${from} has a refusal for ${id}, which was never sent`);
  }

  arrived(arrival: Arrival): void {
    const { connection, seq, id, from, to, content } = arrival;
    const reading = this.readingOf(connection);
    if (seq !== null && seq !== (reading.lastSeq += 1)) {
      this.unforeseen(`${to} got seq ${seq} on ${connection} and not ${reading.lastSeq}`);
      reading.lastSeq = seq;
    }
    const entry = this.byKey.get(keyOf({ from, id }));
    if (!entry || entry.message.to !== to) {
      return this.unforeseen(`${to} got ${id} of ${from}, which was never sent there`);
    }
    this.enterRun(entry);
    if (entry.message.content !== content) this.unforeseen(`${to} got ${id} of ${from} in other words`);
    this.countOn(reading, entry, arrival);
    entry.arrivals += 1;
    if (arrival.position !== undefined) entry.positions.push(arrival.position);
    reading.unacknowledged.push({ entry, seq });
    if (entry.arrivedInRun !== null) return;
    entry.arrivedInRun = this.run;
    this.checkOrder(entry);
  }

  /** A recipient has acknowledged what came on this connection, up to this seq, or everything without a seq. */
  acknowledged(connection: string, seq = Infinity): void {
    const reading = this.readingOf(connection);
    const first = reading.unacknowledged.findIndex((arrival) => (arrival.seq ?? 0) > seq);
    const confirmed = reading.unacknowledged.splice(0, first < 0 ? Infinity : first);
    for (const { entry } of confirmed) entry.confirmed = true;
  }

  /** The server was killed, and every client has noticed. */
  restarted(): void {
    this.run += 1;
    this.readings.clear();
  }

  /** Records something that no server may ever do. */
  unforeseen(what: string): void {
    this.unexpected += 1;
    this.tell(what);
  }

  /**
   * How many messages have to be in the store now: those receipted `stored` and not acknowledged by their recipient.
   */
  get owed(): number {
    return this.count((entry) => entry.receipt?.status === 'stored' && !entry.confirmed);
  }

  /** How many messages have neither a receipt nor a refusal. */
  get unanswered(): number {
    return this.count((entry) => !entry.receipt && !entry.refused);
  }

  /** The faults that were seen so far, in sentences. What is lost shows only at the end. */
  get faultsSoFar(): readonly string[] {
    return [...this.faults];
  }

  /** Returns the judgement. Every mailbox must have been read to its end. */
  check(): Verdict {
    const lost = this.entries.filter((entry) => entry.receipt && entry.arrivals === 0);
    for (const { message, receipt } of lost) {
      this.tell(`${message.id} was called ${receipt!.status} in run ${receipt!.run} and never came to ${message.to}`);
    }
    const attempts = this.byKey.size;
    return {
      attempts,
      resent: this.entries.reduce((sum, entry) => sum + entry.attempts, 0) - attempts,
      acknowledged: this.count((entry) => entry.receipt !== null),
      delivered: this.count((entry) => entry.receipt?.status === 'delivered'),
      refused: this.count((entry) => entry.refused),
      lost: lost.length,
      duplicated: this.count((entry) => entry.arrivals > 1),
      unexpected: this.unexpected,
      recovered: this.count(
        ({ receipt, arrivedInRun }) => arrivedInRun !== null && arrivedInRun > (receipt?.run ?? Infinity),
      ),
      reordered: this.reordered,
      premature: this.premature.size,
      faults: this.faults,
    };
  }

  private countOn(reading: Reading, entry: Entry, { connection, id, to }: Arrival): void {
    const before = reading.arrivals.get(entry) ?? 0;
    reading.arrivals.set(entry, before + 1);
    // A message that an earlier run left comes once. Each attempt of this run may bring it once more, if it was
    // confirmed by then.
    const possible = entry.attemptsInRun + (entry.attempts > entry.attemptsInRun ? 1 : 0);
    if (this.settings.parts === 'may-fail') return;
    const waiting = reading.unacknowledged.some((arrival) => arrival.entry === entry);
    if (waiting) this.unforeseen(`${to} got ${id} again on ${connection} with the first one unacknowledged`);
    else if (before + 1 > possible) this.unforeseen(`${to} got ${id} again on ${connection}, and nobody sent it again`);
  }

  private checkOrder(entry: Entry): void {
    const { id, from, to } = entry.message;
    const lane = `${from}\n${to}`;
    const newest = this.lanes.get(lane) ?? 0;
    if (entry.lastAttempt < newest) {
      this.reordered += 1;
      this.tell(`${to} got ${id} of ${from} behind a later one`);
    }
    this.lanes.set(lane, Math.max(newest, entry.firstAttempt));
  }

  private enterRun(entry: Entry): void {
    if (entry.run === this.run) return;
    entry.run = this.run;
    entry.attemptsInRun = 0;
    entry.receiptsInRun = 0;
  }

  private readingOf(connection: string): Reading {
    let reading = this.readings.get(connection);
    if (!reading) this.readings.set(connection, (reading = { lastSeq: 0, unacknowledged: [], arrivals: new Map() }));
    return reading;
  }

  private count(claim: (entry: Entry) => boolean): number {
    let count = 0;
    for (const entry of this.byKey.values()) if (claim(entry)) count += 1;
    return count;
  }

  private tell(fault: string): void {
    if (this.faults.length < FAULTS_TOLD) this.faults.push(`run ${this.run}: ${fault}`);
  }
}

function newEntry(message: SentMessage, firstAttempt: number, run: number): Entry {
  return {
    message,
    firstAttempt,
    lastAttempt: firstAttempt,
    attempts: 0,
    attemptsInRun: 0,
    run,
    receipt: null,
    receiptsInRun: 0,
    refused: false,
    arrivals: 0,
    positions: [],
    arrivedInRun: null,
    confirmed: false,
  };
}

/** Receipts do not name a recipient. So a sender of a history never uses an id twice. */
function keyOf({ from, id }: Pick<SentMessage, 'from' | 'id'>): string {
  return `${from}\n${id}`;
}

/** The counters of a verdict as a table of two lines, to be printed. */
export function tableOf(verdict: Verdict): string {
  const counters = Object.entries(verdict).filter(([name]) => name !== 'faults');
  const cells = counters.map(([name, count]) => {
    const width = Math.max(name.length, String(count).length);
    return { head: name.padStart(width), body: String(count).padStart(width) };
  });
  return `${cells.map(({ head }) => head).join('  ')}\n${cells.map(({ body }) => body).join('  ')}\n`;
}

function nameOf({ from, id }: SentMessage): string {
  return `${from} ${id}`;
}

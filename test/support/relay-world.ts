import { DataSource } from 'typeorm';
import type { Connection } from '../../src/connections/connection.js';
import { ConnectionService } from '../../src/connections/connection.service.js';
import {
  checkStore,
  makeRoomForRemovals,
  openStore,
  reopenStore,
  roomForInserts,
} from '../../src/database/store-data-source.js';
import { storeOptions } from '../../src/database/store-options.js';
import { DeliveryService } from '../../src/delivery/delivery.service.js';
import { mailboxKeyOf, type Page } from '../../src/delivery/mailbox-store.js';
import { OfflineMessageService } from '../../src/offline-messages/offline-message.service.js';
import { faultOf } from '../../src/offline-messages/store-fault.js';
import { positionText } from '../../src/protocol/position.js';
import { resolveChatOptions, type ChatOptions, type GivenChatOptions } from '../../src/options/chat.options.js';
import type { HeldMessage } from '../../src/delivery/held-message.js';
import type { Receipt } from '../../src/protocol/message.js';
import type { SendRequest } from '../../src/protocol/send-request.js';
import { FakeSocket } from './fake-socket.js';
import { ManualClock } from './manual-clock.js';
import { interceptStatements } from './statements.js';

/** Everything is delivered within this number of rounds of confirmations, unless the disk is slow. */
const ROUNDS = 60;
const DELIVERED_WITHIN_MS = 20_000;
const SABOTAGED_WITHIN_MS = 2_000;

/** One message as its sender sees it. */
interface Sent {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly content: string;
  readonly extras: SentExtras;
  /** How often it was handed in: the first time and repeats. */
  handedIn: number;
  /** Each receipt with the run of the server that gave it. */
  readonly receipts: (Receipt & { readonly generation: number })[];
  readonly refusals: string[];
  /** The recipient confirmed it, while it was connected. */
  confirmed: boolean;
  /** Its outcome can't come any more, because the server was killed. */
  orphaned: boolean;
  /** It was purged, expired or evicted by the operator's rules. */
  ended: boolean;
  /** It was refused, and the server was killed before it could delete the row that the failed commit may have left. */
  inDoubt: boolean;
}

/** What a sender adds to a message, as `SendRequest` has it. */
export type SentExtras = Pick<SendRequest, 'ttl' | 'topic' | 'urgency'>;

/** Faults that are made on purpose, to see that the checks find them. */
export type Sabotage =
  | 'delete-on-write'
  | 'receipt-before-commit'
  | 'forget-on-drop'
  | 'skip-in-page'
  | 'store-alone'
  | 'ignore-ttl'
  | 'store-live-only'
  | 'keep-replaced'
  | 'recall-in-flight';

const ioError = (): Error => new Error('SQLITE_IOERR');

interface Peer {
  readonly socket: FakeSocket;
  readonly connection: Connection;
  /** The seq of the first message after each attaching: what came before may come again, and is not confirmed. */
  readonly firstSeqs: number[];
  /** How many of its messages the checker has read. */
  read: number;
}

/** The relay without its network, on a real SQLite file, with a history of all input and output. */
export class RelayWorld {
  private dataSource!: DataSource;
  private outsider: DataSource | null = null;
  private connections!: ConnectionService;
  private store!: OfflineMessageService;
  private delivery!: DeliveryService;
  private countRows!: () => Promise<{ from: string; count: number; bytes: number }[]>;
  private readonly peers = new Map<string, Peer[]>();
  /** Their sockets are closing. */
  private closing: Peer[] = [];
  private readonly sent = new Map<string, Sent>();
  private readonly order = new Map<string, string[]>();
  private lastOf = new Map<string, Sent>();
  private generation = 0;
  /** `late`: one more write is carried out, and its result is lost. Then the disk is `readable`. */
  private disk: 'works' | 'late' | 'readable' | 'broken' = 'works';
  /** Rows of the file that the server finds at its next start. Until then it may count them, and not deliver them. */
  private squatters = 0;
  private calls = 0;
  private failingCall = Infinity;
  /** Calls of the store that were made to fail by `failCall`. */
  failed = 0;
  private lastId = 0;
  /** Faults in callbacks, whose exceptions would not reach the test. */
  private readonly faults: string[] = [];
  private readonly expiresAt = new Map<string, number>();
  private readonly replaced = new Set<string>();

  private constructor(
    private readonly file: string,
    private readonly options: ChatOptions,
    readonly clock: ManualClock,
    private readonly sabotage: Sabotage | undefined,
  ) {}

  static async open(file: string, options: GivenChatOptions, sabotage?: Sabotage): Promise<RelayWorld> {
    const clock = new ManualClock();
    const resolved = resolveChatOptions({ heartbeatMs: 600_000, ...options, clock });
    const world = new RelayWorld(file, resolved, clock, sabotage);
    await world.start();
    return world;
  }

  connect(user: string): void {
    const { socket, connection } = FakeSocket.open(this.connections, user);
    const peers = this.options.sessions === 'multiple' ? (this.peers.get(user) ?? []) : [];
    this.peers.set(user, [...peers, { socket, connection, firstSeqs: [1], read: 0 }]);
    this.checkWrites(connection);
    if (this.sabotage === 'delete-on-write') {
      const write = connection.onMessage.bind(connection);
      connection.onMessage = (message, seq, ...rest) => {
        write(message, seq, ...rest);
        queueMicrotask(() => this.delivery.confirm(connection, seq));
      };
    }
    this.delivery.attach(connection);
  }

  drop(user: string): void {
    for (const peer of this.takePeers(user)) this.end(peer);
  }

  halfClose(user: string): void {
    for (const peer of this.takePeers(user)) {
      peer.socket.close(1000);
      this.closing.push(peer);
    }
  }

  private end({ socket, connection }: Peer): void {
    socket.terminate();
    this.connections.remove(connection);
    if (this.sabotage === 'forget-on-drop') this.delivery.confirm(connection, socket.messages().length);
    this.delivery.detach(connection);
  }

  send(from: string, to: string, count: number, length: number, extras: SentExtras = {}): void {
    for (let n = 0; n < count; n += 1) {
      const sent = this.register(from, to, length, extras);
      this.lastOf.set(from, sent);
      this.handIn(sent);
    }
  }

  repeat(from: string): void {
    const last = this.lastOf.get(from);
    // A refused message that is sent again is a new message, and may come in another order. So is an absent one.
    if (last && last.refusals.length === 0 && !last.orphaned && !last.ended && last.extras.ttl !== 0) this.handIn(last);
  }

  /** Sends to a user who is away, twice with one topic: when both are stored, the first makes way. */
  async replace(from: string, to: string, topic: string): Promise<void> {
    if (this.peers.has(to)) return;
    const { generation } = this;
    for (let n = 0; n < 2; n += 1) {
      this.send(from, to, 1, 1, { topic });
      await this.flush();
      await this.flush();
    }
    const [older, newer] = [...this.sent.values()].slice(-2) as [Sent, Sent];
    const areStored = [older, newer].every(({ receipts }) => receipts.length > 0);
    if (areStored && generation === this.generation && !older.ended) this.faults.push(`${older.id} was not replaced`);
  }

  /** Each connection of this user confirms what it has, but for the newest few. */
  confirm(user: string, but: number): void {
    for (const { socket, connection, firstSeqs } of this.peers.get(user) ?? []) {
      const messages = socket.messages();
      const seq = messages.length - but;
      if (seq < 1) continue;
      for (const { id } of messages.slice(firstSeqs.at(-1)! - 1, seq)) this.sent.get(id)!.confirmed = true;
      if (this.delivery.confirm(connection, seq) === null) throw new Error('a seq that was written is not known');
    }
  }

  /** The home of this user moves away and comes back: connections attach again. The newest messages stay unconfirmed. */
  async release(user: string, unconfirmed: number): Promise<void> {
    const released = this.delivery.release((mailbox) => mailbox === mailboxKeyOf(user));
    let isReleased = false;
    const finished = released.finally(() => (isReleased = true));
    this.confirm(user, unconfirmed);
    this.repairDisk();
    while (!isReleased) {
      await this.turn();
      this.checkAlways();
      this.clock.advance(10);
    }
    await finished;
    if (this.delivery['mailboxes'].has(mailboxKeyOf(user))) throw new Error(`the mailbox of ${user} was not released`);
    for (const peer of this.peers.get(user) ?? []) {
      const firstSeq = peer.socket.messages().length + 1;
      peer.firstSeqs.push(firstSeq);
      this.delivery.attach(peer.connection, firstSeq);
    }
  }

  async flush(): Promise<void> {
    await this.pass(this.delivery.flush());
  }

  async purge(user: string): Promise<void> {
    // It may fail with the disk. Then nothing was purged.
    await this.pass(this.store.purge(mailboxKeyOf(user)).catch((error: Error) => error));
  }

  /** Waits for the disk. While the disk fails, time has to pass until the next try. */
  private async pass(work: Promise<unknown>): Promise<void> {
    let done = false;
    const finished = work.finally(() => (done = true));
    while (!done) {
      await this.turn();
      if (!this.store.isHealthy) this.clock.advance(50);
    }
    await finished;
  }

  /** Makes the n-th call of the store from now on fail. */
  failCall(n: number): void {
    this.failingCall = this.calls + n;
  }

  breakDisk(how: 'late' | 'readable' | 'broken'): void {
    this.disk = how;
  }

  repairDisk(): void {
    this.disk = 'works';
  }

  /** The process dies: its pending outcomes are lost, and so is what it had not committed. */
  async killAndReopen(): Promise<void> {
    this.generation += 1;
    this.disk = 'broken';
    for (const sent of this.sent.values()) {
      if (sent.receipts.length + sent.refusals.length < sent.handedIn) sent.orphaned = true;
    }
    await this.delivery.close();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
    this.noteUnheard();
    this.peers.clear();
    this.closing = [];
    this.repairDisk();
    await this.start();
  }

  /** Nobody will hear any more what became of the statements whose results were lost. */
  private noteUnheard(): void {
    const writer = this.store['writer'];
    for (const { id } of writer['handle']['unconfirmed']) this.sent.get(id)!.inDoubt = true;
    // It was decided that these end, and they may be gone: they were to be deleted.
    for (const { row, reason } of writer.deletes['waiting'].values())
      if (reason !== 'confirmed') this.sent.get(row.id)!.ended = true;
  }

  /** Another server owns the store for a while, and stores its own messages. */
  async visit(to: string, count: number): Promise<void> {
    const store = new OfflineMessageService(await this.outside(), this.options);
    this.noteEnds(store);
    try {
      await store.open();
    } catch (error) {
      if (faultOf(error) !== 'displaced') throw error;
      return store.close(); // The server of this world was faster and has taken it back.
    }
    const delivery = new DeliveryService(this.options, new ConnectionService(this.options), store);
    for (let n = 0; n < count; n += 1) this.handIn(this.register('visitor', to, 1), delivery);
    await delivery.flush();
    await delivery.close();
  }

  /** Inserts a message into the file by hand, at a position that this server is about to use. */
  async squat(to: string, ahead: number): Promise<void> {
    const position = this.delivery['context'].lastPosition + ahead;
    const outside = await this.outside();
    const there = 'SELECT id FROM holdfast_offline_message WHERE recipient = ? AND position = ?';
    if (((await outside.query(there, [to, position])) as unknown[]).length > 0) return;
    this.squatters += 1;
    // Each has a different sender, so no order is promised.
    const { id, from, content, receipts } = this.register(`squatter-${this.lastId}`, to, 1);
    await outside.query(
      `INSERT INTO holdfast_offline_message (recipient, position, sender, id, content, bytes, "sentAt", "storedAt")
       VALUES (?, ?, ?, ?, ?, 1, ?, ?)`,
      [to, position, from, id, content, this.clock.now(), this.clock.now()],
    );
    receipts.push({ id, status: 'stored', sentAt: this.clock.now(), generation: this.generation });
    this.sent.get(id)!.handedIn += 1;
  }

  /** Waits for the end of a turn of the event loop: receipts leave, commits begin. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Checks what must hold after every step. */
  checkAlways(): void {
    if (this.faults.length > 0) throw new Error(this.faults.join('; '));
    const { accepted, confirmed, pending, inFlight, expired, purged, evicted, replaced, handedOver } =
      this.delivery.totals;
    if (accepted !== confirmed + pending + inFlight + expired + purged + evicted + replaced + handedOver) {
      throw new Error(`the books do not balance: ${JSON.stringify(this.delivery.totals)}`);
    }
    for (const peers of this.peers.values()) for (const peer of peers) this.checkPeer(peer);
    this.checkPrefix();
    for (const { id, receipts, refusals, handedIn } of this.sent.values()) {
      if (receipts.length + refusals.length > handedIn) throw new Error(`${id} was answered too often`);
    }
  }

  /** Checks that the counters say what is in the file. */
  async checkFile(): Promise<void> {
    if (this.squatters > 0) return;
    const rows = await this.countRows();
    const count = rows.reduce((sum, row) => sum + row.count, 0);
    const { pending } = this.delivery.totals;
    if (count !== pending) throw new Error(`${count} rows in the file, and the counters say ${pending}`);
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    if (bytes !== this.store.storedBytes)
      throw new Error(`${bytes} bytes in the file, and the counters say ${this.store.storedBytes}`);
    for (const [sender, total] of this.store['usage']['senders']['totals']) {
      const found = rows.find(({ from }) => from === sender)?.bytes ?? 0;
      if (found !== total) throw new Error(`${found} bytes of ${sender} in the file, and they are counted as ${total}`);
    }
  }

  /** Everybody comes back and confirms everything, on a disk that works. */
  async finish(): Promise<void> {
    this.repairDisk();
    // The server checks once a second who owns the store, and not again before the last check has ended.
    for (let looks = 0; looks < 3; looks += 1) {
      this.clock.advance(1_500);
      await this.flush();
      await this.turn();
    }
    for (const user of this.peers.keys()) this.drop(user);
    // A server ends these after some seconds. Until then, what has expired is in flight to them.
    for (const peer of this.closing.splice(0)) this.end(peer);
    await this.flush();
    await this.checkFile();
    await this.deliverAll(this.squatters);
    if (this.squatters === 0) return;
    await this.killAndReopen(); // Rows above all known positions are found at the next start.
    await this.deliverAll(0);
  }

  /** At most `left` messages may still wait then. */
  private async deliverAll(left: number): Promise<void> {
    const recipients = new Set([...this.sent.values()].map(({ to }) => to));
    for (const user of recipients) this.connect(user);
    // A sabotaged server never gets there.
    const end = performance.now() + (this.sabotage ? SABOTAGED_WITHIN_MS : DELIVERED_WITHIN_MS);
    let rounds = 0;
    do {
      rounds += 1;
      if (rounds > ROUNDS && performance.now() > end)
        throw new Error(`not delivered to the end: ${JSON.stringify(this.delivery.totals)}`);
      await this.flush();
      await this.turn();
      // After these rounds it only waits for the disk, which is slow on a busy machine. Messages must not expire
      // meanwhile.
      if (rounds <= ROUNDS) this.clock.advance(300);
      this.checkAlways();
      for (const user of recipients) this.confirm(user, 0);
      await this.flush();
    } while (this.delivery.totals.pending + this.delivery.totals.inFlight > left);
    await this.turn();
  }

  /** Checks what must hold when everything has been delivered. */
  async checkFinally(): Promise<void> {
    if (this.options.record !== null) await this.checkRecord();
    for (const sent of this.sent.values()) {
      const { id, confirmed, receipts, refusals, handedIn, orphaned, ended } = sent;
      const isKept = receipts.some(({ status }) => status !== 'absent');
      if (isKept && !confirmed && !ended) throw new Error(`${id} has a receipt and was lost`);
      // A message that was confirmed before a kill is not remembered after it. Its repeat is a new message.
      const runs = new Set(receipts.map(({ generation }) => generation));
      const kinds = new Set(receipts.map(({ generation, status }) => `${generation} ${status}`));
      if (kinds.size > runs.size) throw new Error(`${id} has two kinds of receipts`);
      if (!orphaned && receipts.length + refusals.length !== handedIn) throw new Error(`${id} was met with silence`);
      if (receipts.length > 0 && refusals.length > 0 && handedIn === 1)
        throw new Error(`${id} was refused and receipted`);
    }
  }

  /** Each receipt is in the record, once, at the position that it told; and no message has the position of another. */
  private async checkRecord(): Promise<void> {
    const outside = await this.outside();
    const rows = (await outside.query('SELECT id, position FROM holdfast_record')) as {
      id: string;
      position: number;
    }[];
    const recorded = new Map(rows.map(({ id, position }) => [id, position]));
    if (recorded.size < rows.length) throw new Error('a message is in the record twice');
    for (const { id, from, receipts, extras } of this.sent.values()) {
      if (extras.ttl === 0 || from.startsWith('squatter')) continue;
      for (const { status, position } of receipts) {
        if (status === 'absent') continue;
        if (!recorded.has(id)) throw new Error(`${id} has a receipt and is not in the record`);
        if (position !== undefined && position !== positionText(recorded.get(id)!))
          throw new Error(`${id} has another position`);
      }
    }
  }

  async close(): Promise<void> {
    this.generation += 1;
    await this.delivery.close();
    await this.dataSource.destroy();
    await this.outsider?.destroy();
  }

  private async start(): Promise<void> {
    this.dataSource = await openStore(storeOptions(`sqlite:${this.file}`));
    const generation = this.generation;
    let isTogether = false;
    const uncounted = interceptStatements(this.dataSource, (sql, run) => {
      this.calls += 1;
      const isChosen = this.calls === this.failingCall;
      if (isChosen) this.failed += 1;
      // Within a transaction, what is lost is the result of its end.
      if (sql.startsWith('BEGIN')) isTogether = true;
      const isEnd = sql === 'COMMIT';
      if (isEnd || sql === 'ROLLBACK') isTogether = false;
      if (sql === 'ROLLBACK') return run();
      const isWrite = isEnd || /^\s*(INSERT|UPDATE|DELETE|WITH asked)/.test(sql);
      if (isChosen || this.disk === 'broken' || (this.disk === 'readable' && isWrite) || generation !== this.generation)
        return Promise.reject(ioError());
      if (this.disk !== 'late' || !isWrite || isTogether) return run();
      this.disk = 'readable';
      return run().then(() => Promise.reject(ioError()));
    });
    this.countRows = async () =>
      (await uncounted().query(
        'SELECT sender AS "from", COUNT(*) AS count, SUM(bytes + 256) AS bytes FROM holdfast_offline_message GROUP BY sender',
      )) as never;
    this.connections = new ConnectionService(this.options);
    const { dataSource } = this;
    this.store = new OfflineMessageService(dataSource, this.options, {
      reopen: () => reopenStore(dataSource),
      check: () => checkStore(dataSource),
      roomForInserts: () => roomForInserts(dataSource),
      makeRoomForRemovals: (hasFailed) => makeRoomForRemovals(dataSource, hasFailed),
    });
    await this.store.open();
    this.sabotageStore();
    this.delivery = new DeliveryService(this.options, this.connections, this.store);
    if (this.sabotage === 'ignore-ttl') this.delivery['context'].now = () => 0;
    if (this.sabotage === 'store-live-only') {
      const mailboxOf = this.delivery['mailboxOf'].bind(this.delivery);
      this.delivery['mailboxOf'] = (key) => {
        const mailbox = mailboxOf(key);
        mailbox['store'] = (held) => mailbox['handover'].store(held);
        return mailbox;
      };
    }
    if (this.sabotage === 'store-alone') {
      const mailboxOf = this.delivery['mailboxOf'].bind(this.delivery);
      this.delivery['mailboxOf'] = (key) => {
        const mailbox = mailboxOf(key);
        mailbox['handover'].store = (held) => mailbox['handover']['handOver'](held);
        return mailbox;
      };
    }
    this.noteEnds(this.store);
  }

  private noteEnds(store: OfflineMessageService): void {
    store.removed.on((row, reason) => {
      // This counts also while the process dies: what was committed stays committed.
      if (reason !== 'confirmed') this.sent.get(row.id)!.ended = true;
      if (reason !== 'replaced') return;
      this.replaced.add(row.id);
      if (this.isInFlight(row.id)) this.faults.push(`${row.id} was replaced while it was in flight`);
    });
  }

  private sabotageStore(): void {
    const { store } = this;
    const spare = store.spare.emit.bind(store.spare);
    if (this.sabotage === 'ignore-ttl')
      store.spare.emit = (row, why) => (why === 'expired' ? undefined : spare(row, why));
    if (this.sabotage === 'keep-replaced')
      store.spare.emit = (row, why) => (why === 'replaced' ? undefined : spare(row, why));
    if (this.sabotage === 'recall-in-flight') store.spare.emit = (row, why) => store.remove(row, why);
    if (this.sabotage === 'receipt-before-commit') {
      const write = store.store.bind(store);
      store.store = (request) => {
        (request as HeldMessage).pendingReceipt?.receipted('stored', request.message.sentAt);
        write(request);
      };
    }
    if (this.sabotage === 'skip-in-page') {
      const without = <Kind extends Page>(read: Kind): Kind => ({ ...read, rows: read.rows.slice(1) });
      const page = store.page.bind(store);
      const firstPage = store.firstPage.bind(store);
      store.page = async (...parameters) => without(await page(...parameters));
      store.firstPage = async (...parameters) => without(await firstPage(...parameters));
    }
  }

  /** A connection to the file that the relay does not know of. */
  private async outside(): Promise<DataSource> {
    return (this.outsider ??= await new DataSource({
      ...this.dataSource.options,
      name: 'outside',
    } as never).initialize());
  }

  private register(from: string, to: string, length: number, extras: SentExtras = {}): Sent {
    const id = `m${(this.lastId += 1)}`;
    const sent: Sent = {
      id,
      from,
      to,
      content: `${id}${'.'.repeat(length)}`,
      extras,
      handedIn: 0,
      receipts: [],
      refusals: [],
      confirmed: false,
      orphaned: false,
      ended: false,
      inDoubt: false,
    };
    this.sent.set(id, sent);
    const pair = `${from}>${to}`;
    this.order.set(pair, [...(this.order.get(pair) ?? []), id]);
    return sent;
  }

  private handIn(sent: Sent, delivery = this.delivery): void {
    const generation = this.generation;
    sent.handedIn += 1;
    const { id, from, to, content, extras } = sent;
    if (extras.ttl !== undefined) this.expiresAt.set(id, this.clock.now() + extras.ttl * 1_000);
    delivery.send(
      { id, from, to, content, ...extras },
      {
        onReceipt: (receipt) => {
          if (generation !== this.generation) return;
          if (receipt.status === 'stored' && extras.ttl === 0) this.faults.push(`${id} was stored with a ttl of 0`);
          if (receipt.status === 'delivered' && !sent.confirmed)
            this.faults.push(`${sent.id} was delivered but not confirmed`);
          sent.receipts.push({ ...receipt, generation });
        },
        onRefused: (error) => {
          if (generation === this.generation) sent.refusals.push(error.code);
        },
      },
    );
  }

  /** Nothing is written after its time, or after it has made way for a newer one. */
  private checkWrites(connection: Connection): void {
    const write = connection.onMessage.bind(connection);
    connection.onMessage = (message, ...rest) => {
      const { id } = message;
      if ((this.expiresAt.get(id) ?? Infinity) < this.clock.now()) this.faults.push(`${id} came after its time`);
      if (this.replaced.has(id)) this.faults.push(`${id} came after it was replaced`);
      write(message, ...rest);
    };
  }

  private isInFlight(id: string): boolean {
    const readers = [...this.delivery['readers'].values()];
    return readers.some(({ reader }) => reader['inFlight'].some((held) => held.id === id));
  }

  private takePeers(user: string): Peer[] {
    const peers = this.peers.get(user) ?? [];
    this.peers.delete(user);
    return peers;
  }

  /**
   * No message of a mailbox is stored, or on its way to the disk, while an older one is only in memory [protocol 2.4].
   */
  private checkPrefix(): void {
    if (this.squatters > 0) return;
    for (const mailbox of this.delivery['mailboxes'].values()) {
      let oldest: HeldMessage | undefined;
      for (const each of mailbox['held']) {
        if (!each.isHeld) continue;
        if (each.isLiveOnly) continue;
        if (each.state === 'memory') oldest ??= each;
        else if (oldest) throw new Error(`${each.id} is ${each.state} before ${oldest.id}, which is older`);
      }
    }
  }

  /** The messages of one connection are in the order of each sender, none is cut, and at most a window is in flight. */
  private checkPeer(peer: Peer): void {
    const messages = peer.socket.messages();
    if (this.delivery.inFlight(peer.connection) > this.options.ackWindow)
      throw new Error('more in flight than the window');
    const lastPosition = new Map<string, number>();
    for (const [index, { seq, id, from, to, content }] of messages.entries()) {
      const sent = this.sent.get(id);
      if (!sent || sent.content !== content || sent.from !== from || sent.to !== to)
        throw new Error(`unexpected ${id}`);
      if (seq !== index + 1) throw new Error(`seq ${seq} at index ${index + 1}`);
      if (peer.firstSeqs.includes(seq)) lastPosition.clear();
      const pair = `${from}>${to}`;
      const position = this.order.get(pair)!.indexOf(id);
      if (position <= (lastPosition.get(pair) ?? -1)) throw new Error(`${id} came out of order`);
      lastPosition.set(pair, position);
    }
    for (const { id } of messages.slice(peer.read)) {
      // A repeat can be refused although the first one was accepted, when the disk fails and it can't be looked up.
      const { refusals, handedIn, inDoubt } = this.sent.get(id)!;
      if (refusals.length === handedIn && !inDoubt) throw new Error(`${id} was refused and came`);
    }
    peer.read = messages.length;
  }
}

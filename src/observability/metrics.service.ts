import { Inject, Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { HandshakeService } from '../handshake/handshake.service.js';
import { SOCKET_ENDINGS } from '../handshake/http-sockets.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { ERROR_CODES, type ErrorCode } from '../protocol/chat-error.js';
import { BROKEN_FRAME, CloseCode, FRAME_ERRORS } from '../protocol/close-code.js';
import { processMetrics } from './process-metrics.js';

const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const COMMIT_ROWS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

/** For so many milliseconds what was scraped answers whoever else asks: making it takes two of them, and strangers may ask. */
const SHARED_MS = 1_000;

/** The values of one metric: one number, or one for each value of its label. */
type Values = number | readonly (readonly [label: string, value: number])[];

/**
 * The numbers of this application, in the form that Prometheus reads. Whoever keeps a number is asked for it when
 * somebody scrapes: no message is counted a second time. Only commits are measured as they happen, one a group.
 */
@Injectable()
export class MetricsService {
  // Its own, not prom-client's global one: two applications in one process do not see each other's numbers.
  private readonly registry = new Registry();
  private readonly ofProcess = processMetrics();
  private latest: { readonly at: number; readonly text: Promise<string> } | null = null;

  constructor(
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(HandshakeService) private readonly handshakes: HandshakeService,
    @Inject(OfflineMessageService) private readonly store: OfflineMessageService,
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
  ) {
    this.showMessages();
    this.showConnections();
    this.showHandshakes();
    this.showHttpSockets();
    this.showStore();
    this.measureCommits();
  }

  /** All metrics as text; for a second the same. */
  scrape(): Promise<string> {
    const now = this.options.clock.now();
    // A clock that was set back makes it anew, too.
    if (this.latest && Math.abs(now - this.latest.at) < SHARED_MS) return this.latest.text;
    const latest = { at: now, text: this.collect() };
    this.latest = latest;
    latest.text.catch(() => {
      if (this.latest === latest) this.latest = null; // Whoever asked is told; the next one tries again.
    });
    return latest.text;
  }

  private async collect(): Promise<string> {
    return `${await this.registry.metrics()}\n${await this.ofProcess.metrics()}`;
  }

  private showMessages(): void {
    const { ledger } = this.delivery;
    const messages = 'Direct messages';
    const ends = {
      accepted: `${messages} taken, with those that an earlier run left in the store; equal to the sum of all that follow but recovered.`,
      confirmed: `${messages} that reached their recipient.`,
      expired: `${messages} that nobody fetched in time.`,
      purged: `${messages} that an administrator deleted.`,
      evicted: `${messages} that a full mailbox lost to newer ones, as the operator chose.`,
    } as const;
    for (const [name, help] of Object.entries(ends)) {
      this.counter(`messages_${name}_total`, help, () => ledger.totals()[name as keyof typeof ends]);
    }
    this.gauge('messages_pending', `${messages} that wait in the store.`, () => ledger.totals().pending);
    this.gauge('messages_in_flight', `${messages} that are in memory only.`, () => ledger.totals().inFlight);
    this.gauge(
      'messages_recovered',
      'Of the accepted, those found at the start, or when another server had been in the store.',
      () => ledger.totals().recovered,
    );
    this.counter('broadcasts_total', 'Broadcasts taken.', () => ledger.broadcasts);
    const codes = Object.keys(ERROR_CODES) as ErrorCode[];
    const refusals = () => codes.map((code) => [code, ledger.refusals(code)] as const);
    this.counter('refusals_total', 'Frames and messages by REST that were refused.', refusals, 'code');
  }

  private showConnections(): void {
    const byProtocol = () => {
      const counts = { text: 0, json: 0 };
      for (const { protocol } of this.connections.all()) counts[protocol] += 1;
      return Object.entries(counts);
    };
    this.gauge('connections', 'Open connections.', byProtocol, 'protocol');
    this.gauge('users', 'Users who are connected.', () => this.connections.userCount);
    const all = () => [...this.connections.all()];
    const slow = () => all().filter(({ isSlowConsumer }) => isSlowConsumer).length;
    this.gauge('connections_slow', 'Slow consumers: connections that do not read what they are sent.', slow);
    const buffered = () => all().reduce((sum, { bufferedBytes }) => sum + bufferedBytes, 0);
    this.gauge('connections_buffered_bytes', 'Bytes that wait to leave, of all connections.', buffered);
    const codes = [...new Set([...Object.values(CloseCode), BROKEN_FRAME, ...Object.values(FRAME_ERRORS)])];
    const closed = () => codes.map((code) => [String(code), this.connections.closedWith(code)] as const);
    this.counter('connections_closed_total', 'Connections that the server closed.', closed, 'code');
    const skipped = () => this.connections.broadcastsSkipped;
    this.counter('broadcasts_skipped_total', 'Broadcasts that were not written to a slow consumer.', skipped);
  }

  private showHandshakes(): void {
    const { queue } = this.handshakes;
    this.gauge('handshakes_waiting', 'Handshakes that wait in line.', () => queue.length);
    const refused = () => this.handshakes.refusals();
    this.counter('handshakes_refused_total', 'Handshakes that were refused before the upgrade.', refused, 'code');
  }

  private showHttpSockets(): void {
    const { httpSockets } = this.handshakes;
    const help = 'Sockets of the standalone server';
    this.gauge('http_sockets', `${help} that are no connections.`, () => httpSockets.count);
    const closed = () => SOCKET_ENDINGS.map((reason) => [reason, httpSockets.closed.of(reason)] as const);
    this.counter('http_sockets_closed_total', `${help} that were closed: too many.`, closed, 'reason');
  }

  private showStore(): void {
    const { store } = this;
    this.gauge('store_healthy', '1 while the store takes messages, 0 while it fails.', () => Number(store.isHealthy));
    this.counter('store_failures_total', 'Commits that failed, and tries to recover.', () => store.failures);
    this.gauge('store_bytes', 'What waits in the store: content, and 256 bytes a message.', () => store.storedBytes);
    const depth = () => Object.entries({ insert: store.queueDepth.inserts, delete: store.queueDepth.deletes });
    this.gauge('store_queue_rows', 'Rows that wait for their commit.', depth, 'statement');
    this.gauge('store_queue_bytes', 'Content that waits for its commit, in bytes.', () => store.queueDepth.bytes);
  }

  private measureCommits(): void {
    const registers = [this.registry];
    const labelNames = ['statement'] as const;
    const seconds = new Histogram({
      name: 'holdfast_store_commit_seconds',
      help: 'How long the store took for one commit.',
      buckets: COMMIT_SECONDS,
      labelNames,
      registers,
    });
    const rows = new Histogram({
      name: 'holdfast_store_commit_rows',
      help: 'Rows in one commit.',
      buckets: COMMIT_ROWS,
      labelNames,
      registers,
    });
    for (const statement of ['insert', 'delete']) for (const metric of [seconds, rows]) metric.zero({ statement });
    this.store.committed.on((commit) => {
      seconds.observe({ statement: commit.statement }, commit.seconds);
      rows.observe({ statement: commit.statement }, commit.rows);
    });
  }

  private counter(name: string, help: string, read: () => Values, label?: string): void {
    const metric = new Counter({
      name: `holdfast_${name}`,
      help,
      labelNames: label ? [label] : [],
      registers: [],
      collect: () => {
        metric.reset();
        for (const [labels, value] of labelled(read(), label)) metric.inc(labels, value);
      },
    });
    this.registry.registerMetric(metric);
  }

  private gauge(name: string, help: string, read: () => Values, label?: string): void {
    const metric = new Gauge({
      name: `holdfast_${name}`,
      help,
      labelNames: label ? [label] : [],
      registers: [],
      collect: () => {
        for (const [labels, value] of labelled(read(), label)) metric.set(labels, value);
      },
    });
    this.registry.registerMetric(metric);
  }
}

function labelled(values: Values, label: string | undefined): (readonly [Record<string, string>, number])[] {
  if (typeof values === 'number') return [[{}, values]];
  return values.map(([of, value]) => [{ [label!]: of }, value] as const);
}

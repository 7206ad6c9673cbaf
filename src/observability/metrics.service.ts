import { Inject, Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { SIGNAL_OUTCOMES } from '../delivery/ledger.js';
import { HandshakeService } from '../handshake/handshake.service.js';
import { SOCKET_ENDINGS } from '../handshake/http-sockets.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { ERROR_CODES } from '../protocol/chat-error.js';
import { BROKEN_FRAME, CloseCode, FRAME_ERRORS } from '../protocol/close-code.js';
import type { ErrorCode } from '../protocol/wire.js';
import { processMetrics } from './process-metrics.js';

const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const COMMIT_ROWS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

/**
 * How long one collection serves all scrapes, in milliseconds. A collection takes about two milliseconds, and strangers
 * may scrape.
 */
const SHARED_MS = 1_000;

/** The values of one metric: a number, or one number for each value of its label. */
type Values = number | readonly (readonly [label: string, value: number])[];

/**
 * The metrics of this application. Counters are read from their owners at a scrape, so that no message is counted
 * twice. Only commits are measured as they happen, one for each group of rows.
 */
@Injectable()
export class MetricsService {
  // Not prom-client's global registry: two applications in one process must not share their metrics.
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

  /** Returns all metrics as text. Calls within a second share the result. */
  scrape(): Promise<string> {
    const now = this.options.clock.now();
    // Collects again also when the clock was set back.
    if (this.latest && Math.abs(now - this.latest.at) < SHARED_MS) return this.latest.text;
    const latest = { at: now, text: this.collect() };
    this.latest = latest;
    latest.text.catch(() => {
      if (this.latest === latest) this.latest = null; // The caller gets the error, and the next call tries again.
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
      accepted: `${messages} accepted, including those that an earlier run left in the store; the sum of confirmed, expired, purged, evicted, replaced, handed over, pending and in flight.`,
      confirmed: `${messages} that their recipient confirmed.`,
      expired: `${messages} that waited longer than retentionMs, or than their ttl.`,
      purged: `${messages} that an administrator deleted.`,
      evicted: `${messages} that a full mailbox dropped for newer ones (overflow: evict-oldest).`,
      replaced: `${messages} that a newer one of their sender with the same topic replaced.`,
      absent: `${messages} with a ttl of 0 that nobody confirmed, and that were not accepted.`,
    } as const;
    for (const [name, help] of Object.entries(ends)) {
      this.counter(`messages_${name}_total`, help, () => ledger.totals()[name as keyof typeof ends]);
    }
    const handedOver = `${messages} that another node of the cluster has now.`;
    this.counter('messages_handed_over_total', handedOver, () => ledger.totals().handedOver);
    this.gauge('messages_pending', `${messages} that wait in the store.`, () => ledger.totals().pending);
    this.gauge('messages_in_flight', `${messages} that are in memory only.`, () => ledger.totals().inFlight);
    this.gauge(
      'messages_recovered',
      'Of the accepted, those found in the store at the start, or after another server had written to it.',
      () => ledger.totals().recovered,
    );
    const waiting = () => Object.entries(ledger.waiting);
    this.counter(
      'waiting_total',
      'Users of whom the listeners of waiting were told, and failures.',
      waiting,
      'outcome',
    );
    const record = () => Object.entries(ledger.record);
    this.counter(
      'record_messages_total',
      'Messages that were recorded, have expired, were changed or deleted by an erasure.',
      record,
      'outcome',
    );
    this.counter('broadcasts_total', 'Broadcasts accepted.', () => ledger.broadcasts);
    const signals = () => SIGNAL_OUTCOMES.map((outcome) => [outcome, ledger.signals.of(outcome)] as const);
    this.counter('signals_total', 'Signals that were allowed, by what became of them.', signals, 'outcome');
    const codes = Object.keys(ERROR_CODES) as ErrorCode[];
    const refusals = () => codes.map((code) => [code, ledger.refusals(code)] as const);
    this.counter('refusals_total', 'Frames, and messages by REST, that were refused.', refusals, 'code');
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
    this.gauge('connections_buffered_bytes', 'Bytes that are buffered for all connections.', buffered);
    const codes = [...new Set([...Object.values(CloseCode), BROKEN_FRAME, ...Object.values(FRAME_ERRORS)])];
    const closed = () => codes.map((code) => [String(code), this.connections.closedWith(code)] as const);
    this.counter('connections_closed_total', 'Connections that the server closed.', closed, 'code');
    const skipped = () => this.connections.broadcastsSkipped;
    this.counter('broadcasts_skipped_total', 'Broadcasts that were not written to a slow consumer.', skipped);
  }

  private showHandshakes(): void {
    const { queue } = this.handshakes;
    this.gauge('handshakes_waiting', 'Handshakes that wait in the queue.', () => queue.length);
    const refused = () => this.handshakes.refusals();
    this.counter('handshakes_refused_total', 'Handshakes that were refused before the upgrade.', refused, 'code');
  }

  private showHttpSockets(): void {
    const { httpSockets } = this.handshakes;
    const help = 'Sockets of the standalone server';
    this.gauge('http_sockets', `${help} that are not chat connections.`, () => httpSockets.count);
    const closed = () => SOCKET_ENDINGS.map((reason) => [reason, httpSockets.closed.of(reason)] as const);
    this.counter(
      'http_sockets_closed_total',
      `${help} that were closed because there were too many.`,
      closed,
      'reason',
    );
  }

  private showStore(): void {
    const { store } = this;
    this.gauge('store_healthy', '1 while the store accepts messages, 0 while it fails.', () => Number(store.isHealthy));
    this.counter(
      'store_failures_total',
      'Commits that failed, and attempts to recover that failed.',
      () => store.failures,
    );
    this.gauge(
      'store_bytes',
      'Size of what waits in the store: its content, and 256 bytes for each message.',
      () => store.storedBytes,
    );
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

  /** Shows a number that only grows; with a label, one for each of its values. */
  counter(name: string, help: string, read: () => Values, label?: string): void {
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

  gauge(name: string, help: string, read: () => Values, label?: string): void {
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

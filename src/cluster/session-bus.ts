import { Logger } from '@nestjs/common';
import type { Clock } from '../options/clock.js';
import { Emitter } from '../options/emitter.js';
import { RareLog } from '../options/rare-log.js';
import type { Bus, Settled } from './bus.js';
import { Echo } from './echo.js';

/** Time between two tries to open a session, in milliseconds. */
const RETRY_MS = 500;
/** Longest wait for a session, and at the end for what is still to be sent, in milliseconds. */
const PATIENCE_MS = 3_000;

/** What follows when a packet is dropped. */
export const SENT_AGAIN = 'Its links open anew, and messages without an answer are sent again.';

/** What a session tells. */
export interface SessionListener {
  onPacket(packet: Buffer): void;
  /** It has ended, or is of no use any more. */
  onEnd(reason: string): void;
}

/** A session with the engine of a bus, which listens as one node. It lives and ends as a whole. */
export interface BusSession {
  publish(node: number, packet: Buffer, settled: Settled): void;
  /** Resolves when the engine has taken everything that was published. */
  drain(): Promise<void>;
  /** Ends it at once. Everything that was not taken is dropped. */
  end(): void;
}

interface Attempt {
  readonly node: number;
  session: BusSession | null;
  echo: Echo | null;
  /** Nobody waits for its session any more. */
  readonly givenUp: AbortController;
  cancelPatience: () => void;
}

/**
 * A bus that keeps a session with its engine. A session that ended, or in which the node does not hear itself any more,
 * is replaced as a whole. Meanwhile packets are dropped.
 */
export abstract class SessionBus implements Bus {
  abstract readonly title: string;
  abstract readonly maxPacketBytes: number;
  protected readonly logger = new Logger('Cluster');
  protected readonly rareLog: RareLog;
  readonly received = new Emitter<Buffer>(this.logger, 'received');
  private state: 'idle' | 'connecting' | 'listening' | 'closed' = 'idle';
  private attempt: Attempt | null = null;
  private waiting: (() => void)[] = [];
  private cancelRetry: () => void = () => undefined;

  protected constructor(protected readonly clock: Clock) {
    this.rareLog = new RareLog(this.logger, clock);
  }

  /** Opens a session that listens as this node. When that is given up, it lets go of what it has opened. */
  protected abstract open(node: number, listener: SessionListener, givenUp: AbortSignal): Promise<BusSession>;

  get isListening(): boolean {
    return this.state === 'listening';
  }

  listen(node: number): Promise<void> {
    if (this.state === 'closed') return Promise.resolve();
    this.end();
    const heard = new Promise<void>((resolve) => this.waiting.push(resolve));
    this.connect(node);
    return heard;
  }

  publish(node: number, packet: Buffer, settled: Settled): void {
    if (this.state === 'listening') this.attempt!.session!.publish(node, packet, settled);
    else settled(false);
  }

  async close(): Promise<void> {
    const session = this.state === 'listening' ? this.attempt!.session : null;
    this.state = 'closed';
    if (session) {
      await new Promise<void>((resolve) => {
        const cancel = this.clock.after(PATIENCE_MS, resolve);
        void session
          .drain()
          .catch(() => undefined) // It has ended, and dropped the rest.
          .then(() => (cancel(), resolve()));
      });
    }
    this.end();
    this.tellWaiting();
  }

  private connect(node: number): void {
    this.state = 'connecting';
    const givenUp = new AbortController();
    const attempt: Attempt = { node, session: null, echo: null, givenUp, cancelPatience: () => undefined };
    this.attempt = attempt;
    attempt.cancelPatience = this.clock.after(PATIENCE_MS, () => this.lose(attempt, 'no reply for 3 s'));
    const listener: SessionListener = {
      onPacket: (packet) => {
        if (attempt === this.attempt && !attempt.echo?.heard(packet)) this.received.emit(packet);
      },
      onEnd: (reason) => this.lose(attempt, reason),
    };
    this.open(node, listener, givenUp.signal).then(
      (session) => this.opened(attempt, session),
      (error: Error) => this.lose(attempt, error.message),
    );
  }

  private opened(attempt: Attempt, session: BusSession): void {
    if (attempt !== this.attempt) return session.end();
    attempt.cancelPatience();
    attempt.session = session;
    attempt.echo = new Echo(
      this.clock,
      () => session.publish(attempt.node, Echo.packet, () => undefined),
      () => this.lose(attempt, 'nothing came back for 3 s'),
    );
    this.state = 'listening';
    this.logger.log(`Nodes talk over ${this.title}.`);
    this.tellWaiting();
  }

  /** Gives up this session, and opens another one after a while. */
  private lose(attempt: Attempt, reason: string): void {
    if (attempt !== this.attempt) return;
    const isClosed = this.state === 'closed';
    this.end();
    if (isClosed) return;
    this.state = 'connecting';
    this.rareLog.warn(
      'lost',
      `Nodes can't talk over ${this.title}: ${reason}. Messages to other nodes wait, for up to 10 s, and this one goes on trying.`,
    );
    this.cancelRetry = this.clock.after(RETRY_MS, () => this.connect(attempt.node));
  }

  private end(): void {
    const { attempt } = this;
    this.cancelRetry();
    this.attempt = null;
    attempt?.cancelPatience();
    attempt?.echo?.stop();
    attempt?.givenUp.abort();
    attempt?.session?.end();
  }

  private tellWaiting(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}

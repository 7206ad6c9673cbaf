import type { ClusterCrowd } from './cluster-crowd.js';
import { ClusterPeer, type Session } from './cluster-peer.js';

/**
 * How a reader acknowledges and stays: at once; every 100 messages; never for long on one connection; on another
 * connection while the one before is open; not connected for most of the time; on a text connection.
 */
export type Habit = 'prompt' | 'slow' | 'dropping' | 'roaming' | 'away' | 'text';

const SLOW_EVERY = 100;
/** How long somebody is away at most, in milliseconds. */
const AWAY_MS = 3_000;

/** Reads, and acknowledges according to its habit. */
export class ClusterReader extends ClusterPeer {
  private arrivals = 0;
  private leavesAt = Infinity;

  constructor(
    user: string,
    crowd: ClusterCrowd,
    private readonly habit: Habit,
  ) {
    super(user, crowd, habit === 'text' ? [] : ['chat.v1.json']);
  }

  protected override get pause(): number {
    const { isEnding, random } = this.crowd;
    return this.habit === 'away' && !isEnding ? random.between(100, AWAY_MS) : super.pause;
  }

  protected override onOpen(): void {
    const most = { dropping: 40, roaming: 300, away: 100 }[this.habit as string];
    this.leavesAt = most === undefined ? Infinity : this.arrivals + this.crowd.random.between(1, most);
  }

  /** `ws` has answered the ping with a pong by then. */
  protected override onPing({ name }: Session): void {
    if (this.habit === 'text') this.crowd.history.acknowledged(name);
  }

  protected onFrame(session: Session, frame: string): void {
    if (this.habit === 'text') this.readText(session, frame);
    else this.readJson(session, frame);
  }

  private readText({ name: connection }: Session, frame: string): void {
    const [, time, content] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z:)?(.*)$/s.exec(frame)!;
    const [from = '', id = ''] = content!.split(' ');
    const { user: to } = this;
    this.crowd.history.arrived({ connection, seq: null, id, from, to, content: content!, stored: time !== undefined });
  }

  private readJson(session: Session, frame: string): void {
    const { event, data } = JSON.parse(frame);
    if (event === 'caught-up' || event === 'welcome') return this.acknowledge(session);
    if (event !== 'message') return;
    session.lastSeq = data.seq;
    this.arrivals += 1;
    this.crowd.history.arrived({ ...data, connection: session.name });
    if (this.habit !== 'slow' || this.crowd.isEnding || this.arrivals % SLOW_EVERY === 0) this.acknowledge(session);
    if (this.crowd.isEnding || session.isOver || this.arrivals < this.leavesAt) return;
    this.leavesAt = Infinity;
    if (this.habit === 'roaming') this.roam();
    else this.cut();
  }

  /** Acknowledges what has come, also when nothing comes any more. */
  beat(): void {
    if (this.session && this.isOpen && this.habit !== 'text') this.acknowledge(this.session);
  }

  /** One acknowledgement for all that came in one turn of the event loop. */
  private acknowledge(session: Session): void {
    if (session.ackIsDue || session.lastSeq === 0) return;
    session.ackIsDue = true;
    setImmediate(() => {
      session.ackIsDue = false;
      if (session.socket.readyState !== session.socket.OPEN) return;
      this.crowd.history.acknowledged(session.name, session.lastSeq);
      this.write(session, 'ack', { seq: session.lastSeq });
    });
  }
}

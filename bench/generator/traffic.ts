import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { KEY_MASK, nowUs, type FrameTemplate } from '../wire/frame-template.js';
import type { Link, LinkEvents } from '../wire/link.js';
import type { Figures } from './job.js';
import { Latencies } from './latencies.js';

/** One sender, and the frames that it sends in turn. */
export class Flow {
  /**
   * The number of the first message. It rises from job to job, because a server that recognises repeats takes a message
   * with the sender, recipient and id of an earlier one for that one.
   */
  static numberedFrom = 0;
  sent = 0;
  acked = 0;
  /** Messages that may be sent at the end of this chunk. */
  due = 0;
  /** By key: when each outstanding message was sent, and how many recipients have yet to get it. */
  readonly sentAtUs = new Float64Array(KEY_MASK + 1);
  readonly awaited = new Uint32Array(KEY_MASK + 1);

  constructor(
    readonly link: Link,
    readonly templates: readonly FrameTemplate[],
    /** The most messages that it sends. */
    readonly quota = Infinity,
  ) {}
}

export interface TrafficRules {
  /** What makes room for the next message of a sender. */
  readonly next: 'ack' | 'delivery';
  /** What completes a message. A receipt can come first: `stored`, when a confirmation takes long. */
  readonly awaits: 'acks' | 'deliveries' | 'both';
  /** How many get each message; 1 unless given. */
  readonly recipients?: number;
  /**
   * The window is shared: a completed message of one sender makes room for the next sender. So the number of
   * outstanding messages does not depend on the number of senders.
   */
  readonly spread?: boolean;
}

/** Sends, and keeps count of all that was sent, acknowledged and delivered. */
export class Traffic implements LinkEvents {
  sent = 0;
  acked = 0;
  delivered = 0;
  readonly deliveryTimes = new Latencies();
  readonly ackTimes = new Latencies();
  /** How much later than due messages were written. */
  readonly lateness = new Latencies();
  /** The reason, when a connection ended during the run. */
  fault: string | null = null;
  private flows: readonly Flow[] = [];
  private readonly recipients: number;
  private dueFlows: Flow[] = [];
  private nextFlow = 0;
  private sending = false;
  private chunkUs = 0;

  constructor(private readonly rules: TrafficRules) {
    this.recipients = rules.recipients ?? 1;
  }

  /** Starts with `window` messages outstanding for each sender, or in all with `spread`. */
  start(flows: readonly Flow[], window: number): void {
    this.use(flows);
    this.sending = true;
    const count = this.rules.spread ? 1 : flows.length;
    for (let index = 0; index < count; index += 1) {
      for (let free = 0; free < window; free += 1) this.makeRoom(flows[index]!);
    }
    this.onChunkEnd();
  }

  /**
   * Sends `count` messages as people do who know nothing of each other (Poisson arrivals): after random gaps, `perSecond`
   * on the average, each from the sender at the index that `draw` returns. Nobody waits for acknowledgements.
   */
  async arrive(flows: readonly Flow[], perSecond: number, count: number, draw: () => number): Promise<void> {
    this.use(flows);
    let dueUs = nowUs();
    for (let left = count; left > 0 && !this.fault; left -= 1) {
      dueUs += (-Math.log(1 - Math.random()) * 1e6) / perSecond;
      // A timer would bring what is due within a millisecond together, and the server would share its work.
      do await nextTurn();
      while (nowUs() < dueUs);
      const time = nowUs();
      this.sendOf(flows[draw()]!, 1, time);
      this.lateness.add(time - dueUs);
    }
  }

  /** Stops sending and waits for what is outstanding; returns whether all of it came. */
  async settle(deadlineMs: number): Promise<boolean> {
    this.sending = false;
    return this.until(() => this.isSettled, deadlineMs);
  }

  /** Waits until every sender has had a turn: the first message of each pair costs more than those that follow. */
  async everybodySent(deadlineMs: number): Promise<void> {
    const isDone = await this.until(() => this.flows.every((flow) => flow.sent > 0), deadlineMs);
    this.check();
    if (!isDone) throw new Error(`not every sender had a turn within ${deadlineMs} ms`);
  }

  /** Waits until all have sent their quota and all of it was acknowledged or delivered; rejects after the deadline. */
  async quotaSettled(deadlineMs: number): Promise<void> {
    const isDone = await this.until(
      () => this.flows.every((flow) => flow.sent >= flow.quota) && this.isSettled,
      deadlineMs,
    );
    this.check();
    if (!isDone) throw new Error(`${this.acked} of ${this.sent} messages were acknowledged within ${deadlineMs} ms`);
  }

  onDelivery(link: Link, seq: number, timeUs: number): void {
    this.delivered += 1;
    this.chunkUs ||= nowUs();
    this.deliveryTimes.add(this.chunkUs - timeUs);
    const flow = this.flows[link.flow];
    if (this.rules.next !== 'delivery' || !flow) return;
    const key = seq & KEY_MASK;
    flow.awaited[key]! -= 1;
    if (flow.awaited[key] === 0) this.makeRoom(flow);
  }

  onAck(link: Link, key: number): void {
    const flow = this.flows[link.flow]!;
    this.acked += 1;
    flow.acked += 1;
    this.chunkUs ||= nowUs();
    this.ackTimes.add(this.chunkUs - flow.sentAtUs[key]!);
    if (this.rules.next === 'ack') this.makeRoom(flow);
  }

  onChunkEnd(): void {
    this.chunkUs = 0;
    if (this.dueFlows.length === 0) return;
    const flows = this.dueFlows;
    this.dueFlows = [];
    const time = nowUs();
    for (const flow of flows) {
      const count = flow.due;
      flow.due = 0;
      this.sendOf(flow, Math.min(count, flow.quota - flow.sent), time);
    }
  }

  onReady(): void {}

  onEnd(link: Link, reason: string): void {
    this.fault ??= `the connection of ${link.user} ended: ${reason}`;
  }

  /** Throws when a connection was lost, because what follows would not be comparable. */
  check(): void {
    if (this.fault) throw new Error(this.fault);
  }

  /** What every round is checked by: what was sent beside what came back. */
  account(links: readonly Link[]): Figures {
    const due = this.sent * this.recipients;
    return {
      sent: this.sent,
      delivered: this.delivered,
      acked: this.acked,
      lost: Math.max(0, due - this.delivered),
      repeated: Math.max(0, this.delivered - due),
      unacknowledged: this.rules.awaits === 'deliveries' ? 0 : this.sent - this.acked,
      disordered: links.reduce((sum, link) => sum + link.disordered, 0),
    };
  }

  private use(flows: readonly Flow[]): void {
    this.flows = flows;
    flows.forEach((flow, index) => (flow.link.flow = index));
  }

  private get isSettled(): boolean {
    const { awaits } = this.rules;
    return (
      (awaits === 'deliveries' || this.acked >= this.sent) &&
      (awaits === 'acks' || this.delivered >= this.sent * this.recipients)
    );
  }

  private makeRoom(flow: Flow): void {
    if (!this.sending) return;
    const next = this.rules.spread ? this.flows[this.nextFlow++ % this.flows.length]! : flow;
    if (next.due++ === 0) this.dueFlows.push(next);
  }

  private sendOf(flow: Flow, count: number, timeUs: number): void {
    const { templates } = flow;
    if (templates.length === 1 && count > 0)
      flow.link.send(templates[0]!, Flow.numberedFrom + flow.sent + 1, count, timeUs);
    for (let index = 0; index < count; index += 1) {
      const seq = Flow.numberedFrom + flow.sent + 1;
      if (templates.length > 1) flow.link.send(templates[flow.sent % templates.length]!, seq, 1, timeUs);
      flow.sentAtUs[seq & KEY_MASK] = timeUs;
      flow.awaited[seq & KEY_MASK] = this.recipients;
      flow.sent += 1;
    }
    this.sent += Math.max(0, count);
  }

  private async until(isSo: () => boolean, deadlineMs: number): Promise<boolean> {
    const deadline = performance.now() + deadlineMs;
    while (!isSo() && !this.fault && performance.now() < deadline) await delay(2);
    return isSo();
  }
}

import { Logger } from '@nestjs/common';
import { within, type Clock } from '../options/clock.js';
import { ChatError, errors } from '../protocol/chat-error.js';
import type { LinkFrame } from './frames.js';
import type { Link, Links } from './link.js';
import type { Membership } from './membership.js';
import { errorOf, refusalOf } from './refusal.js';

/** How long a call waits for its answer unless told, in milliseconds. */
const WITHIN_MS = 1_000;

/** Handles a call of another node, or of this one. What it returns or throws, a ChatError, goes back to the caller. */
export type CallHandler = (argument: unknown, from: number) => unknown;

/** What the nodes have answered to a call to all of them. */
export interface Answers {
  /** By node; with the answer of this node. */
  readonly answers: ReadonlyMap<number, unknown>;
  /** The nodes that have not answered in time, or have failed. */
  readonly missing: readonly number[];
}

interface OpenCall {
  readonly link: Link;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: ChatError) => void;
}

/**
 * Questions that nodes ask each other, and the answers. Arguments and results are values of JSON. A call that was not
 * answered may have been carried out or not.
 */
export class Calls {
  private readonly logger = new Logger('Cluster');
  private readonly handlers = new Map<string, CallHandler>();
  private readonly open = new Map<number, OpenCall>();
  private lastNumber = 0;

  constructor(
    private readonly membership: Membership,
    private readonly links: Links,
    private readonly clock: Clock,
  ) {
    links.frame.on((link, frame) => this.onFrame(link, frame));
    links.broken.on((link) => this.onBroken(link));
  }

  /** Has calls of this name handled. A name has one handler. */
  register(name: string, handler: CallHandler): void {
    this.handlers.set(name, handler);
  }

  /** Asks a node, which may be this one. Rejects with a ChatError; STORE_UNAVAILABLE when no answer comes in time. */
  async call(node: number, name: string, argument: unknown, withinMs = WITHIN_MS): Promise<unknown> {
    if (node === this.membership.self) return this.handle(node, name, argument);
    const link = this.links.to(node);
    if (!link) throw errors.nodeSilent();
    const n = (this.lastNumber += 1);
    const answer = new Promise((resolve, reject) => this.open.set(n, { link, resolve, reject }));
    link.send(['call', n, name, argument]);
    return within(this.clock, withinMs, answer, errors.nodeSilent).finally(() => this.open.delete(n));
  }

  /** Asks every node, this one included. It never rejects: `missing` names who has not answered. */
  async all(name: string, argument: unknown, withinMs = WITHIN_MS): Promise<Answers> {
    const answers = new Map<number, unknown>();
    const missing: number[] = [];
    const { self, view } = this.membership;
    const nodes = new Set([self, ...view.nodes.map(({ id }) => id)]);
    const asked = [...nodes].map(async (node) => {
      try {
        answers.set(node, await this.call(node, name, argument, withinMs));
      } catch (error) {
        if (!(error instanceof ChatError)) this.logger.error(error);
        missing.push(node);
      }
    });
    await Promise.all(asked);
    return { answers, missing };
  }

  /** Tells a node something, and waits for nothing. */
  tell(node: number, name: string, argument: unknown): void {
    if (node === this.membership.self) void this.answer(name, argument, node);
    else this.links.to(node)?.send(['call', 0, name, argument]);
  }

  private onFrame(link: Link, frame: LinkFrame): void {
    if (frame[0] === 'call') void this.answer(frame[2], frame[3], link.peer, link, frame[1]);
    else if (frame[0] === 'answer') this.open.get(frame[1])?.resolve(frame[2]);
    else if (frame[0] === 'failed') this.open.get(frame[1])?.reject(errorOf(frame[2]));
  }

  /** Handles a call, and sends the result over the link if somebody waits. It never rejects. */
  private async answer(name: string, argument: unknown, from: number, link?: Link, n = 0): Promise<void> {
    try {
      const result = await this.handle(from, name, argument);
      if (n > 0) link?.send(['answer', n, result ?? null]);
    } catch (error) {
      if (!(error instanceof ChatError)) this.logger.error(error);
      if (n > 0) link?.send(['failed', n, refusalOf(error instanceof ChatError ? error : errors.nodeSilent())]);
    }
  }

  /** A node of another version may ask what this one does not know. */
  private handle(from: number, name: string, argument: unknown): unknown {
    const handler = this.handlers.get(name);
    if (!handler) throw errors.nodeSilent();
    return handler(argument, from);
  }

  private onBroken(link: Link): void {
    for (const call of this.open.values()) if (call.link === link) call.reject(errors.nodeSilent());
  }
}

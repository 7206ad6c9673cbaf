import type { Frame, Page } from 'playwright-core';
import type { ConnectionState } from '../../client/src/api.js';
import { eventually } from '../support/deadline.js';

/** Runs an expression in a page, and resolves to what it evaluates to, or its promise resolves to. */
export type Run = (expression: string) => Promise<unknown>;

/** What the page notes, for the test to ask for. */
interface Seen {
  readonly contents: string[];
  readonly signals: unknown[];
  readonly states: string[];
  readonly receipts: string[];
  readonly errors: string[];
  readonly acks: number;
  readonly writes: number;
  readonly framesIn: number;
  readonly framesOut: number;
}

/** A tab with the client library, in whatever browser. */
export class Tab {
  constructor(
    readonly name: string,
    readonly run: Run,
  ) {}

  static of(name: string, page: Page | Frame): Tab {
    return new Tab(name, (expression) => page.evaluate(expression));
  }

  /** Sends, and resolves when the message is kept. */
  async send(to: string, content: string): Promise<{ id: string; persistent: boolean }> {
    return (await this.run(`send(${JSON.stringify(to)}, ${JSON.stringify(content)})`)) as never;
  }

  /** Resolves to the status of the receipt of a message that this tab has sent, or to the code of its refusal. */
  async settled(id: string): Promise<string> {
    return (await this.run(`settled(${JSON.stringify(id)})`)) as string;
  }

  async state(): Promise<ConnectionState> {
    return (await this.run('chat.state.state')) as ConnectionState;
  }

  async untilState(state: ConnectionState, ms?: number): Promise<void> {
    let last: string = 'unknown';
    await eventually(
      async () => (last = await this.state()) === state,
      () => `${this.name} is ${state}; it is ${last}`,
      ms,
    );
  }

  /** The contents of what has no receipt. */
  async pending(): Promise<string[]> {
    return (await this.run('chat.pending.map(({ content }) => content)')) as string[];
  }

  async untilNothingPends(ms?: number): Promise<void> {
    let last: string[] = [];
    await eventually(
      async () => (last = await this.pending()).length === 0,
      () => `nothing pends in ${this.name}; it has ${JSON.stringify(last)}`,
      ms,
    );
  }

  async seen(): Promise<Seen> {
    return JSON.parse((await this.run('JSON.stringify(seen)')) as string) as Seen;
  }

  /** How many rows each store of the user's database has. */
  async rows(): Promise<Record<string, number>> {
    return JSON.parse((await this.run('rows().then(JSON.stringify)')) as string) as Record<string, number>;
  }
}

import { setTimeout as wait } from 'node:timers/promises';
import type { HoldfastClient, PendingMessage, ReceiptEvent, ReceivedMessage, StateChange } from '../api.js';
import { parseLine } from './line.js';
import type { Screen } from './screen.js';
import { failureText, HELP, messageText, promptText, receiptText, timeOf } from './texts.js';

/** What the program ends with. */
export const ExitCode = { OK: 0, FAILED: 1, USAGE: 2 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** So many messages may be without a receipt; a longer pipe waits. */
const MAX_UNSETTLED = 500;
/** Of so many messages it is remembered what was in them, for the lines about what became of them. */
const MAX_REMEMBERED = 1_000;
/** How long somebody who leaves waits for the last receipts, in milliseconds. */
const LAST_RECEIPTS_MS = 3_000;
/** A pipe that was never online gives up after so many tries, if nobody knows why they fail. */
const MAX_TRIES = 5;
/** The close code of a connection that was lost, or never there: it gives no reason. */
const NO_REASON = 1006;
/** How often the prompt counts down, in milliseconds. */
const TICK_MS = 1_000;

export interface ConversationOptions {
  /** The name that was given. The server may know the user by another one. */
  readonly user: string;
  /** Address of the socket, as it is shown. */
  readonly address: string;
  /** What an earlier run has left in the outbox. */
  readonly left: readonly PendingMessage[];
  /** Whether what was not sent yet is there the next time. */
  readonly isKept: boolean;
}

/**
 * Sends what is typed or piped, and says what comes and what became of what was sent. A person's conversation goes on
 * until they leave, with or without a server. A pipe ends when its last line has a receipt, and at once when there is
 * no server from the beginning.
 */
export class Conversation {
  readonly #written = new Map<string, PendingMessage>();
  readonly #unsettled = new Set<string>();
  readonly #failed: Promise<ExitCode>;
  #fail!: (code: ExitCode) => void;
  readonly #caughtUp: Promise<void>;
  readonly #said = new Set<string>();
  readonly #ticking: ReturnType<typeof setInterval>;
  #lastRecipient: string | null = null;
  #refusals = 0;
  #tries = 0;
  #wasOnline = false;

  constructor(
    private readonly client: HoldfastClient,
    private readonly screen: Screen,
    private readonly options: ConversationOptions,
  ) {
    for (const message of options.left) this.#remember(message);
    this.#failed = new Promise((resolve) => (this.#fail = resolve));
    this.#caughtUp = new Promise((resolve) => client.on('caughtUp', () => resolve()));
    client.on('message', (message) => this.#show(message));
    client.on('receipt', (receipt) => this.#receipt(receipt));
    client.on('state', (change) => this.#stateChanged(change));
    client.on('error', ({ error, about }) => screen.note(`${about}: ${String(error)}`));
    this.#ticking = setInterval(() => this.client.state.state === 'waiting' && this.#prompt(), TICK_MS);
  }

  /** Connects, and goes on until the end. The client is still to be closed then. */
  async run(): Promise<ExitCode> {
    const { client, screen, options } = this;
    if (options.left.length > 0) screen.note(`left from the last time, to be sent now: ${options.left.length}`);
    this.#prompt();
    client.connect();
    const code = await Promise.race([this.#readAll(), this.#failed]);
    clearInterval(this.#ticking);
    const kept = client.pending.filter(({ to }) => to !== null || !options.isKept).length;
    if (kept > 0) screen.note(`not sent, ${options.isKept ? 'kept for the next time' : 'and lost now'}: ${kept}`);
    return code;
  }

  /** Ends without waiting for anything. */
  stop(): void {
    this.#fail(this.#wasOnline && this.client.pending.length === 0 ? ExitCode.OK : ExitCode.FAILED);
  }

  async #readAll(): Promise<ExitCode> {
    for await (const line of this.screen.lines) {
      if (this.#take(line) === 'quit') break;
      while (this.#unsettled.size >= MAX_UNSETTLED) await this.#nextReceipt();
    }
    if (!this.screen.isTyped) {
      await this.#caughtUp; // What waited is printed by then.
      await this.#allSettled();
      return this.#refusals > 0 ? ExitCode.FAILED : ExitCode.OK;
    }
    const isOnline = this.client.state.state === 'online';
    if (isOnline) await Promise.race([this.#allSettled(), wait(LAST_RECEIPTS_MS, null, { ref: false })]);
    return this.#wasOnline ? ExitCode.OK : ExitCode.FAILED;
  }

  /** Does what a line asks for. */
  #take(text: string): 'quit' | 'more' {
    const line = parseLine(text, this.#lastRecipient, this.screen.isTyped);
    if (line.kind === 'quit') return 'quit';
    if (line.kind === 'send') {
      this.#lastRecipient = line.to;
      this.#sent(this.client.send(line.to, line.content));
    } else if (line.kind === 'broadcast') this.#sent(this.client.broadcast(line.content));
    else if (line.kind === 'help') this.screen.note(HELP);
    else if (line.kind === 'mistake') {
      this.#refusals += 1;
      this.screen.note(`✗ ${line.why}`);
    }
    this.#prompt();
    return 'more';
  }

  #sent(message: PendingMessage): void {
    this.#unsettled.add(message.id);
    this.#remember(message);
  }

  #remember(message: PendingMessage): void {
    this.#written.set(message.id, message);
    for (const oldest of this.#written.keys()) {
      if (this.#written.size <= MAX_REMEMBERED) break;
      this.#written.delete(oldest);
    }
  }

  #receipt(receipt: ReceiptEvent): void {
    this.#unsettled.delete(receipt.id);
    if (receipt.status === 'refused') this.#refusals += 1;
    this.screen.note(receiptText(receipt, this.#written.get(receipt.id) ?? null));
  }

  async #show(message: ReceivedMessage): Promise<void> {
    // One's own broadcast comes back; its receipt says enough.
    if (message.from === this.client.user && this.#written.has(message.id)) return;
    const time = this.screen.isTyped ? timeOf(message.sentAt, new Date()) : message.sentAt;
    await this.screen.message(messageText(message, time));
  }

  #stateChanged(change: StateChange): void {
    this.#prompt();
    if (change.state === 'online') this.#online();
    else if (change.state === 'stopped') this.#giveUp(change);
    else if (change.state === 'waiting') this.#offline(change);
  }

  #online(): void {
    if (this.screen.isTyped || this.#said.size > 0) this.screen.note(`online as ${this.client.user}`);
    this.#said.clear();
    this.#wasOnline = true;
  }

  #offline(change: StateChange): void {
    if (isRefusal(change.code)) return this.#giveUp(change);
    if (!this.#wasOnline) {
      // What the reason is follows soon, in most cases.
      if (change.code === NO_REASON && ++this.#tries < MAX_TRIES) return;
      if (!this.screen.isTyped) return this.#giveUp(change);
    }
    this.#say(failureText(change, this.options.address));
  }

  #giveUp(change: StateChange): void {
    this.#say(failureText(change, this.options.address));
    this.#fail(ExitCode.FAILED);
  }

  /** Says it once for each time without a connection. */
  #say(text: string): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.screen.note(text);
  }

  #prompt(): void {
    const { state, user, pending } = this.client;
    this.screen.prompt(promptText(state, user ?? this.options.user, pending.length, Date.now()));
  }

  async #allSettled(): Promise<void> {
    while (this.client.pending.length > 0) await this.#nextReceipt();
  }

  #nextReceipt(): Promise<void> {
    return new Promise((resolve) => {
      const undo = this.client.on('receipt', () => {
        undo();
        resolve();
      });
    });
  }
}

/** Whether the server, or a proxy before it, refuses this client for good, by the status of its response. */
function isRefusal(code: number | null): boolean {
  return code !== null && code >= 400 && code < 500 && code !== 408 && code !== 429;
}

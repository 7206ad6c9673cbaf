import { clearScreenDown, createInterface, cursorTo, moveCursor, type Interface } from 'node:readline';
import { visible } from './texts.js';

/** The streams of the program. */
export interface Streams {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream;
}

/**
 * Where the program writes and reads lines. Every text goes through `visible`: what somebody else has written is shown,
 * and never obeyed by the terminal.
 */
export interface Screen {
  /** Whether a person sits there: then lines may be commands, and the prompt is seen. */
  readonly isTyped: boolean;
  /** From the first one on, whenever they are read. */
  readonly lines: AsyncIterableIterator<string>;
  /** Prints a message that came. Resolves when it is written, and never if it cannot be. */
  message(text: string): Promise<void>;
  /** Prints what there is to say about connection and receipts. */
  note(text: string): void;
  /** Shows this before the line that is typed. */
  prompt(text: string): void;
  close(): void;
}

/** Returns the screen for these streams: with a prompt where a person types, and lines only otherwise. */
export function screenFor(streams: Streams): Screen {
  const { stdin, stdout } = streams;
  return stdin.isTTY && stdout.isTTY ? new TypedScreen(streams) : new PlainScreen(streams);
}

/** Messages go to the standard output, all else to the standard error, so that a pipe gets messages only. */
class PlainScreen implements Screen {
  readonly isTyped = false;
  readonly lines: AsyncIterableIterator<string>;
  readonly #input: Interface;

  constructor(private readonly streams: Streams) {
    this.#input = createInterface({ input: streams.stdin, crlfDelay: Infinity, terminal: false });
    this.lines = this.#input[Symbol.asyncIterator]();
  }

  message(text: string): Promise<void> {
    return written(this.streams.stdout, `${visible(text)}\n`);
  }

  note(text: string): void {
    this.streams.stderr.write(`${visible(text)}\n`);
  }

  prompt(): void {
    // Nobody would see it.
  }

  close(): void {
    this.#input.close();
  }
}

/** Keeps the line that is typed at the bottom, with its history, and prints all else above it. */
class TypedScreen implements Screen {
  readonly isTyped = true;
  readonly lines: AsyncIterableIterator<string>;
  readonly #input: Interface;
  readonly #output: NodeJS.WritableStream;
  #isClosed = false;

  constructor({ stdin, stdout }: Streams) {
    this.#output = stdout;
    this.#input = createInterface({ input: stdin, output: stdout, terminal: true });
    this.lines = this.#input[Symbol.asyncIterator]();
    this.#input.on('SIGINT', () => this.#input.close());
    this.#input.on('close', () => {
      this.#isClosed = true;
      this.#output.write('\n');
    });
  }

  message(text: string): Promise<void> {
    return this.#above(text);
  }

  note(text: string): void {
    void this.#above(text);
  }

  prompt(text: string): void {
    if (this.#isClosed) return;
    this.#input.setPrompt(visible(text));
    this.#input.prompt(true);
  }

  close(): void {
    this.#input.close();
  }

  #above(text: string): Promise<void> {
    const output = this.#output;
    const shown = visible(text, '\n  │ ');
    if (this.#isClosed) return written(output, `${shown}\n`);
    const { rows } = this.#input.getCursorPos();
    moveCursor(output, 0, -rows);
    cursorTo(output, 0);
    clearScreenDown(output);
    // The prompt goes up as many rows as the typed line had, to draw it anew.
    const done = written(output, `${shown}\n${'\n'.repeat(rows)}`);
    this.#input.prompt(true);
    return done;
  }
}

/** Resolves when the text is written. What cannot be written was not shown, so it never resolves then. */
function written(stream: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((resolve) => stream.write(text, (error) => !error && resolve()));
}

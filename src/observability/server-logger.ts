import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import { inspect } from 'node:util';

/** Fields whose values are never written, at any depth: a failed statement of the store carries contents as `parameters`. */
const REDACTED = ['content', 'parameters', 'authorization', 'cookie', 'token', 'secret', 'password'];

/**
 * The log of the standalone server: for people, or one JSON object a line. In neither can what came from outside begin a
 * line that looks like one of ours, nor reach a terminal as a control sequence.
 */
export class ServerLogger extends ConsoleLogger {
  constructor(format: 'text' | 'json') {
    super({ json: format === 'json', redact: REDACTED });
  }

  protected override stringifyMessage(message: unknown, level: LogLevel): string {
    const resolved = this.resolveMessage(message);
    const text = typeof resolved === 'string' ? escaped(resolved) : indented(inspect(resolved));
    return this.colorize(text, level);
  }

  /** JSON leaves U+007F to U+009F as they are, and some terminals obey them. */
  protected override stringifyJsonLogObject(line: Record<string, unknown>): string {
    return escaped(super.stringifyJsonLogObject(line));
  }

  protected override printStackTrace(stack: string): void {
    super.printStackTrace(stack && indented(stack));
  }
}

/** The same on one line, with every control character spelt out. */
function escaped(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The same with each line but the first indented, as those of a stack trace are. */
function indented(text: string): string {
  return text
    .split('\n')
    .map((line, index) => (index === 0 ? '' : '    ') + escaped(line))
    .join('\n');
}

import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import { inspect } from 'node:util';

/**
 * Fields whose values are never logged, at any depth. A failed statement of the store carries the contents of messages
 * as `parameters`.
 */
const REDACTED = ['content', 'parameters', 'authorization', 'cookie', 'token', 'secret', 'password'];

/**
 * The log of the standalone server, as text or as one JSON object per line. Text from outside can neither start a line
 * that looks like one of ours, nor send control sequences to a terminal.
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

  /** Escapes U+007F to U+009F too, which JSON leaves as they are and some terminals obey. */
  protected override stringifyJsonLogObject(line: Record<string, unknown>): string {
    return escaped(super.stringifyJsonLogObject(line));
  }

  protected override printStackTrace(stack: string): void {
    super.printStackTrace(stack && indented(stack));
  }
}

/** Returns the text on one line, with every control character escaped. */
function escaped(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Returns the text with each line except the first indented, like the lines of a stack trace. */
function indented(text: string): string {
  return text
    .split('\n')
    .map((line, index) => (index === 0 ? '' : '    ') + escaped(line))
    .join('\n');
}

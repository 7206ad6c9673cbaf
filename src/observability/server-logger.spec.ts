import { jest } from '@jest/globals';
import { ServerLogger } from './server-logger.js';

const HOSTILE = 'one\n[Nest] 1  - LOG two\r\u001b[31mred\u0000\u009b\u2028end';

/** What a logger writes, to either stream. */
function written(format: 'text' | 'json', log: (logger: ServerLogger) => void): string {
  let text = '';
  const write = (chunk: unknown) => ((text += String(chunk)), true);
  const streams = [process.stdout, process.stderr].map((stream) =>
    jest.spyOn(stream, 'write').mockImplementation(write),
  );
  const noColor = process.env['NO_COLOR'];
  process.env['NO_COLOR'] = '1';
  try {
    log(new ServerLogger(format));
  } finally {
    if (noColor === undefined) delete process.env['NO_COLOR'];
    else process.env['NO_COLOR'] = noColor;
    for (const stream of streams) stream.mockRestore();
  }
  return text;
}

describe('ServerLogger', () => {
  it('writes one line for people, in which nothing controls the terminal', () => {
    const text = written('text', (logger) => logger.log(HOSTILE, 'Somewhere'));
    expect(text).toMatch(/^\[Nest\] \d+ .* LOG \[Somewhere\] one\\n\[Nest\] 1 .*\n$/);
    expect(text.trimEnd()).not.toMatch(/[\p{Cc}\u2028]/u);
    expect(text).toContain('\\u000d\\u001b[31mred\\u0000\\u009b\\u2028end');
  });

  it('indents the lines of a stack trace', () => {
    const text = written('text', (logger) =>
      logger.error('failed', `Error: ${HOSTILE}\n    at a place:1:2`, 'Somewhere'),
    );
    const [first, ...rest] = text.trimEnd().split('\n');
    expect(first).toMatch(/^\[Nest\] \d+ .* ERROR \[Somewhere\] failed$/);
    expect(rest).toHaveLength(3);
    expect(rest.slice(1).filter((line) => !line.startsWith('    '))).toEqual([]);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u2028]/u);
  });

  it('writes one JSON object a line, whatever is logged', () => {
    const text = written('json', (logger) => {
      logger.log(HOSTILE);
      logger.error(new Error(HOSTILE));
      logger.warn({ nested: { message: HOSTILE } });
      logger.fatal('failed', `Error: ${HOSTILE}\n    at a place:1:2`, 'Somewhere');
    });
    const lines = text.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual([
      'log',
      'error',
      'warn',
      'fatal',
    ]);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u2028]/u);
    expect((JSON.parse(lines[0]!) as { message: string }).message).toBe(HOSTILE);
  });

  it('writes no contents and no tokens, however deep they are', () => {
    for (const format of ['text', 'json'] as const) {
      const text = written(format, (logger) => {
        logger.error({ parameters: ['a secret'], cause: { password: 'a secret' } });
        logger.log({ request: { headers: { authorization: 'a secret' } }, messages: [{ content: 'a secret' }] });
      });
      expect(text).not.toContain('a secret');
      expect(text).toContain('[REDACTED]');
    }
  });

  it('lets lines through by their level', () => {
    const text = written('text', (logger) => {
      logger.setLogLevels(['warn']);
      logger.log('quiet');
      logger.warn('loud');
    });
    expect(text).toMatch(/loud/);
    expect(text).not.toMatch(/quiet/);
  });
});

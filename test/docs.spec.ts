import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CODES } from '../src/protocol/chat-error.js';
import { BROKEN_FRAME, CloseCode, FRAME_ERRORS } from '../src/protocol/close-code.js';
import { HANDSHAKE_CODES } from '../src/protocol/handshake-code.js';

const page = readFileSync(join(import.meta.dirname, '../docs/errors.md'), 'utf8');

function rowsOf(heading: string): string[][] {
  const section = page.split(/^## /m).find((text) => text.startsWith(heading))!;
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
}

describe('docs/errors.md', () => {
  it('lists every exception code and no other, and says which are temporary', () => {
    const documented = rowsOf('Exceptions').map((cells) => [cells[1]!.replaceAll('`', ''), cells[2] === 'yes']);
    const known = Object.entries(ERROR_CODES).map(([code, { temporary }]) => [code, temporary]);
    expect(documented).toEqual(known);
  });

  it('lists every close code and no other', () => {
    const documented = rowsOf('Close codes').map((cells) => Number(cells[1]));
    const known = new Set([...Object.values(CloseCode), BROKEN_FRAME, ...Object.values(FRAME_ERRORS)]);
    expect(documented).toEqual([...known].toSorted((a, b) => a - b));
  });

  it('lists every refusal of a handshake and no other', () => {
    const documented = rowsOf('Before the upgrade').map((cells) => cells[2]!.replaceAll('`', ''));
    const notOfTheChat = ['NO_SUCH_PATH', ''];
    expect(documented.filter((code) => !notOfTheChat.includes(code)).toSorted()).toEqual(
      [...HANDSHAKE_CODES].toSorted(),
    );
  });

  it('gives every error a remedy', () => {
    for (const cells of [...rowsOf('Exceptions'), ...rowsOf('Close codes')]) expect(cells.at(-2)).toMatch(/\w+.*\.$/);
  });
});

describe('docs/api.md', () => {
  const api = readFileSync(join(import.meta.dirname, '../docs/api.md'), 'utf8');

  it.each([
    'isOnline(user: string): boolean',
    'code: ErrorCode',
    'new HandshakeRefusal(',
    'expectClose(code: number): Promise<Closed>',
    '[detail: string]: unknown`: Whatever else',
  ])('has members that need no comment, those of a constructor, and those without a name: %s', (member) => {
    expect(api).toContain(`- \`${member}`);
  });
});

describe('docs/embedding.md', () => {
  const embedding = readFileSync(join(import.meta.dirname, '../docs/embedding.md'), 'utf8');
  const blocks = [...embedding.matchAll(/^```(?:ts|js)\n(.*?)^```/gms)].map(([, block]) => block!.trim());
  // The same lines, wherever they stand in a file.
  const flat = (text: string) => text.replaceAll(/^ +/gm, '');

  it.each([
    ['the push notifications', 'class PushNotifications', 'examples/push.ts'],
    ['the outbox', 'sendFromOutbox', 'test/e2e/transactions.e2e-spec.ts'],
    ['the test of an AppModule', 'keeps what comes while Bob is away', 'test/consumers/starter/test/chat.e2e-spec.ts'],
    ['the configuration of jest', 'transformIgnorePatterns', 'test/consumers/nest-11-commonjs/jest.config.cjs'],
  ])('has %s as they run', (_what, mark, path) => {
    const [block, ...others] = blocks.filter((each) => each.includes(mark));
    expect([block !== undefined, others]).toEqual([true, []]);
    expect(flat(readFileSync(join(import.meta.dirname, '..', path), 'utf8'))).toContain(flat(block!));
  });
});

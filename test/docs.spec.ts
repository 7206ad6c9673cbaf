import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLOSE_CODES, BROKEN_FRAME, CloseCode, FRAME_ERRORS } from '../src/protocol/close-code.js';

describe('docs/errors.md', () => {
  it('is written from a table that has every close code and no other', () => {
    const known = new Set([...Object.values(CloseCode), BROKEN_FRAME, ...Object.values(FRAME_ERRORS)]);
    expect(Object.keys(CLOSE_CODES).map(Number)).toEqual([...known].toSorted((a, b) => a - b));
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

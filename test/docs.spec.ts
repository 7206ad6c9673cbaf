import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
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
    '[detail: string]: unknown`: Anything else',
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
    ['the outbox', 'sendFromOutbox', 'test/e2e/hosts/transactions.e2e-spec.ts'],
    ['the test of an AppModule', 'keeps what comes while Bob is away', 'test/consumers/starter/test/chat.e2e-spec.ts'],
    ['the configuration of jest', 'transformIgnorePatterns', 'test/consumers/nest-11-commonjs/jest.config.cjs'],
  ])('has %s as they run', (_what, mark, path) => {
    const [block, ...others] = blocks.filter((each) => each.includes(mark));
    expect([block !== undefined, others]).toEqual([true, []]);
    expect(flat(readFileSync(join(import.meta.dirname, '..', path), 'utf8'))).toContain(flat(block!));
  });
});

describe('the pages', () => {
  const root = join(import.meta.dirname, '..');
  const names = ['.', 'docs'].flatMap(pagesIn);
  const pages = new Map(names.map((name) => [name, prose(readFileSync(join(root, name), 'utf8'))]));

  function pagesIn(folder: string): string[] {
    return readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name));
  }

  /** Without blocks of code: what they hold is not Markdown. */
  function prose(text: string): string {
    return text.replaceAll(/^```.*?^```/gms, '');
  }

  /** The addresses of its headings, as GitHub makes them. */
  function anchorsOf(name: string): string[] {
    const headings = [...(pages.get(name) ?? '').matchAll(/^#+ (.+)$/gm)].map(([, text]) => text!.toLowerCase());
    return headings.map((text) => text.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
  }

  /** Links to a file, or to a heading, that is not there. */
  function deadLinksOf(name: string): string[] {
    const links = [...pages.get(name)!.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link]) => link!);
    return links.filter((link) => {
      const [path, anchor] = link.split('#');
      const target = path ? relative(root, join(root, dirname(name), path)) : name;
      if (!pages.has(target)) return anchor !== undefined || !existsSync(join(root, target));
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
  }

  /**
   * Rows that are shown as text: those behind a blank line, without a line below the head, or with other cells than it.
   */
  function brokenRowsOf(name: string): string[] {
    const cells = (row: string) => row.split(/(?<!\\)\|/).length;
    const tables = [...pages.get(name)!.matchAll(/(?:^ *\|.*(?:\n|$))+/gm)].map(([table]) => table.trim().split('\n'));
    return tables.flatMap((rows) =>
      /^[|: -]+$/.test(rows[1] ?? '') ? rows.filter((row) => cells(row) !== cells(rows[0]!)) : rows,
    );
  }

  it.each(names)('%s links to files and headings that are there', (name) => {
    expect(deadLinksOf(name)).toEqual([]);
  });

  it.each(names)('%s shows its tables as tables', (name) => {
    expect(brokenRowsOf(name)).toEqual([]);
  });

  it('are all in the index of docs/', () => {
    const index = pages.get(join('docs', 'README.md'))!;
    const listed = [...index.matchAll(/^- \[([\w-]+\.md)\]\(\1\)/gm)].map(([, name]) => join('docs', name!));
    expect(listed.toSorted()).toEqual(
      pagesIn('docs')
        .filter((name) => name !== join('docs', 'README.md'))
        .toSorted(),
    );
  });
});

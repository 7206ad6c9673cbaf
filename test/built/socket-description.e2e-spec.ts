import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { AsyncApiDocument } from '../../src/openapi.js';
import { withDeadline } from '../support/deadline.js';

const ROOT = join(import.meta.dirname, '../..');
const TOOL = join(ROOT, 'tools/asyncapi/validate.mjs');

/** Returns what AsyncAPI's own parser finds wrong with a document. */
async function problemsOf(document: object): Promise<string> {
  const child = spawn(process.execPath, [TOOL], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(document));
  return withDeadline(text(child.stdout), () => 'the parser', 25_000);
}

describe('the AsyncAPI document of the package', () => {
  it('is valid by its own parser, which finds what is not', async () => {
    const { describeSocket } = (await import(join(ROOT, 'dist/openapi.js'))) as typeof import('../../src/openapi.js');
    const document: AsyncApiDocument = describeSocket();
    const { channels: _channels, ...broken } = document;
    const [problems, found] = await Promise.all([problemsOf(document), problemsOf(broken)]);
    expect(problems).toBe('');
    expect(found).toMatch(/error at operations/);
  });
});

import { gzipSync } from 'node:zlib';
import { bundleOfClient } from '../support/client-bundle.js';

/** How many KiB a page loads for these lines, minified and compressed. React is there already. */
async function sizeOf(lines: string): Promise<number> {
  return gzipSync(await bundleOfClient(lines, '--minify', '--external:react'), { level: 9 }).length / 1024;
}

const CLIENT = `export { createClient } from 'holdfast-client';`;
const HOOKS = `export { HoldfastProvider, useConnection, useHoldfast, useHoldfastEvent, usePending } from 'holdfast-client/react';`;

describe('what a page loads', () => {
  it('is at most 10.55 KiB for the client, with IndexedDB and tabs', async () => {
    expect(await sizeOf(CLIENT)).toBeLessThanOrEqual(10.55);
  });

  it('is at most 4.6 KiB more for the client that knows the record', async () => {
    const recording = `export { createClient, statusOf } from 'holdfast-client/record';`;
    expect((await sizeOf(recording)) - (await sizeOf(CLIENT))).toBeLessThanOrEqual(4.6);
  });

  it('is at most 0.7 KiB more with the hooks', async () => {
    expect((await sizeOf(`${CLIENT}${HOOKS}`)) - (await sizeOf(CLIENT))).toBeLessThanOrEqual(0.7);
  });

  it('is at most 0.3 KiB more with useTyping', async () => {
    const typing = `export { useTyping } from 'holdfast-client/react';`;
    expect((await sizeOf(`${CLIENT}${HOOKS}${typing}`)) - (await sizeOf(`${CLIENT}${HOOKS}`))).toBeLessThanOrEqual(0.3);
  });

  it('is nothing for what is imported and not used', async () => {
    expect(
      await sizeOf(`import 'holdfast-client'; import 'holdfast-client/react'; import 'holdfast-client/record';`),
    ).toBeLessThan(0.1);
  });
});

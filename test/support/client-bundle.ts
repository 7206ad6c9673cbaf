import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const CLIENT = join(import.meta.dirname, '../../client');
const ESBUILD = join(import.meta.dirname, '../../tools/node_modules/.bin/esbuild');

/**
 * Bundles these lines for a page, with the built client where they import `holdfast-client`; `npm run build:client`
 * makes it. `options` are more of esbuild's.
 */
export async function bundleOfClient(lines: string, ...options: string[]): Promise<Buffer> {
  const args = ['--bundle', '--format=esm', '--platform=browser', '--loader=jsx', '--jsx=automatic', ...options];
  const bundling = promisify(execFile)(ESBUILD, args, { cwd: CLIENT, encoding: 'buffer', maxBuffer: 2 ** 24 });
  bundling.child.stdin!.end(lines);
  return (await bundling).stdout;
}

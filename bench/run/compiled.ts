import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { transformFile } from '@swc/core';
import { ROOT } from './measured-server.js';

/** Sources that run in processes of their own. */
const ROOMS = ['generator', 'peers', 'scenarios', 'wire'];

/**
 * Compiles generator and peers into the folder. A loader would add most of a second to each of their many starts. It
 * would also leave the compiler in the servers' heap, where it hides the memory of connections.
 */
export async function compileInto(folder: string): Promise<void> {
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  for (const room of ROOMS) {
    await mkdir(join(folder, room));
    await symlink(join(ROOT, 'bench/node_modules'), join(folder, room, 'node_modules'));
    const files = (await readdir(join(ROOT, 'bench', room))).filter((file) => file.endsWith('.ts'));
    await Promise.all(files.map((file) => compile(join(room, file), folder)));
  }
}

async function compile(path: string, folder: string): Promise<void> {
  const { code } = await transformFile(join(ROOT, 'bench', path), {
    swcrc: false,
    module: { type: 'es6' },
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    },
  });
  await writeFile(join(folder, dirname(path), `${path.slice(dirname(path).length + 1, -3)}.js`), code);
}

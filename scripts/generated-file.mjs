import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

/**
 * Formats a text and writes it to a file of this repository. With --check on the command line it writes nothing, and
 * fails if the file has another text; `command` is the one that writes it.
 */
export async function writeOrCheck(path, text, command) {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  const formatted = await format(text, { ...(await resolveConfig(file)), filepath: file });
  if (!process.argv.includes('--check')) writeFileSync(file, formatted);
  else if (readFileSync(file, 'utf8') !== formatted) {
    console.error(`${path} is not up to date: run ${command}`);
    process.exitCode = 1;
  }
}

// Reads an AsyncAPI document from the standard input, and writes what AsyncAPI's own parser has to say of it: one line
// for each error and each warning.
import { Parser } from '@asyncapi/parser';
import { text } from 'node:stream/consumers';

const SEVERITIES = ['error', 'warning'];

const { diagnostics } = await new Parser().parse(await text(process.stdin));
for (const { severity, path, message } of diagnostics) {
  if (severity < SEVERITIES.length) process.stdout.write(`${SEVERITIES[severity]} at ${path.join('.')}: ${message}\n`);
}

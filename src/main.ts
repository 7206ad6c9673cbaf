import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { createRequire } from 'node:module';

// By `require`, which reads one file after the other: `import` opens all of a graph at once, 500 and more, so that the
// server would not start where the limit on open files is lower.
const require = createRequire(import.meta.url);
const { startServer } = require('./server.js') as typeof import('./server.js');

const insecure = process.argv.includes('--insecure') ? { CHAT_INSECURE: '1' } : {};

startServer({ ...process.env, ...insecure }).catch((error: unknown) => {
  new Logger('Holdfast').fatal(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { createRequire } from 'node:module';
import { loseLinesOnly } from './process/log-streams.js';
import { outliveTerminals } from './process/signals.js';

/** How long the log of a failed start may take to be written, in milliseconds: its reader may never read. */
const LAST_WORDS_MS = 2_000;

loseLinesOnly();
outliveTerminals();

// `require` reads one file after the other. `import` would open all 500 files at once, and the server would not start
// where fewer files may be open.
const require = createRequire(import.meta.url);
const { startServer } = require('./server.js') as typeof import('./server.js');

const insecure = process.argv.includes('--insecure') ? { CHAT_INSECURE: '1' } : {};

startServer({ ...process.env, ...insecure }).catch((error: unknown) => {
  new Logger('Holdfast').fatal(error instanceof Error ? error.message : error);
  process.exitCode = 1;
  setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
});

import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { startServer } from './server.js';

const insecure = process.argv.includes('--insecure') ? { CHAT_INSECURE: '1' } : {};

startServer({ ...process.env, ...insecure }).catch((error: unknown) => {
  new Logger('Holdfast').fatal(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

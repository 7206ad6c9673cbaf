import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { startServer } from './server.js';

startServer(process.env).catch((error: unknown) => {
  new Logger('Holdfast').fatal(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

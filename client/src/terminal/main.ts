#!/usr/bin/env node
import { runProgram } from './program.js';

/** How long the end of the connection may take, in milliseconds. */
const LAST_FRAMES_MS = 1_000;

const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ending.abort());
process.stderr.on('error', () => undefined); // Nobody reads it; that is no reason to end.

const { env, stdin, stdout, stderr } = process;
process.exitCode = await runProgram(process.argv.slice(2), { env, stdin, stdout, stderr, signal: ending.signal });
setTimeout(() => process.exit(), LAST_FRAMES_MS).unref();

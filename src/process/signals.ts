import { Logger, ShutdownSignal, type INestApplicationContext } from '@nestjs/common';
import { isatty } from 'node:tty';

/** Exit code of a server that was not given the time to say goodbye. */
const FORCED = 1;
/**
 * One press of Ctrl-C may come twice, from the terminal and from the program that runs this one: within so many milliseconds, with
 * what the first one set off in between. Nobody presses it again as fast.
 */
const ONE_PRESS_MS = 100;

const { SIGHUP, SIGINT, SIGTERM } = ShutdownSignal;

/**
 * Whether there is a terminal that can hang up. Node undoes at its start what `nohup` did, and leaves no trace of it, so
 * that the signal alone does not say whether it should end the process; but `nohup` leaves it no terminal.
 */
const hasTerminal = [0, 1, 2].some((stream) => isatty(stream));

/** Keeps a server that has no terminal alive when one hangs up: it was started under `nohup`, or by a supervisor. */
export function outliveTerminals(): void {
  if (!hasTerminal) process.on(SIGHUP, () => undefined);
}

/**
 * Makes the first signal that asks for it end the application in order, and a later SIGINT at once: supervisors, process
 * groups and `timeout` send SIGTERM more than once and can wait, who presses Ctrl-C again can't. What has a receipt is
 * on the disk either way. Nest alone passes over every later signal, and takes those of a crash for a request, too.
 */
export function endAtSignals(app: INestApplicationContext): void {
  const signals = hasTerminal ? [SIGTERM, SIGINT, SIGHUP] : [SIGTERM, SIGINT];
  app.enableShutdownHooks(signals, { useProcessExit: true });
  const logger = new Logger('Holdfast');
  let first: { signal: NodeJS.Signals; atMs: number } | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    const atMs = performance.now();
    if (first === null) {
      first = { signal, atMs };
      logger.log(`${signal}: says goodbye and ends; from now on SIGINT (Ctrl-C) ends it at once`);
    } else if (signal !== SIGINT) {
      logger.log(`${signal}: is about to end already; SIGINT (Ctrl-C) ends it at once`);
    } else if (first.signal !== SIGINT || atMs - first.atMs > ONE_PRESS_MS) {
      logger.warn(`${signal} again: ends at once, without a goodbye; nothing that has a receipt is lost`);
      process.exit(FORCED);
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  if (hasTerminal) return;
  process.on(SIGHUP, () => logger.log('SIGHUP: goes on, as it has no terminal that could hang up; SIGTERM ends it'));
}

import { Logger, ShutdownSignal, type INestApplicationContext } from '@nestjs/common';
import { isatty } from 'node:tty';

/** Exit code when the server was ended at once, before all connections were closed. */
const FORCED = 1;
/**
 * One press of Ctrl-C may arrive twice, from the terminal and from the program that runs this one. A second SIGINT
 * within this time, in milliseconds, counts as the same press. Nobody presses it again as fast.
 */
const ONE_PRESS_MS = 100;

const { SIGHUP, SIGINT, SIGTERM } = ShutdownSignal;

/**
 * Whether the process has a terminal that can hang up. At its start Node resets what `nohup` did and leaves no trace of
 * it, so the signal alone does not say whether it should end the process. But `nohup` leaves it no terminal.
 */
const hasTerminal = [0, 1, 2].some((stream) => isatty(stream));

/** Keeps a server without a terminal alive at SIGHUP: it was started under `nohup`, or by a supervisor. */
export function outliveTerminals(): void {
  if (!hasTerminal) process.on(SIGHUP, () => undefined);
}

/**
 * Shuts the application down at the first signal, and ends it at once at a later SIGINT. Supervisors, process groups
 * and `timeout` repeat SIGTERM and can wait; a user who presses Ctrl-C again cannot. In both cases what has a receipt
 * is on the disk. Nest alone would ignore every later signal, and would also handle signals of a crash.
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
      logger.log(`${signal}: closing all connections, then exiting; SIGINT (Ctrl-C) from now on exits at once`);
    } else if (signal !== SIGINT) {
      logger.log(`${signal}: already shutting down; SIGINT (Ctrl-C) exits at once`);
    } else if (first.signal !== SIGINT || atMs - first.atMs > ONE_PRESS_MS) {
      logger.warn(
        `${signal} again: exiting at once, without closing the connections; nothing that has a receipt is lost`,
      );
      process.exit(FORCED);
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  if (hasTerminal) return;
  process.on(SIGHUP, () =>
    logger.log('SIGHUP: ignored, as the process has no terminal that could hang up; SIGTERM ends it'),
  );
}

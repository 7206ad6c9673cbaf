import { setTimeout as delay } from 'node:timers/promises';

interface Stats {
  readonly connections: number;
  readonly messages: Readonly<Record<'accepted' | 'confirmed' | 'pending' | 'inFlight', number>>;
}

/** What our server says of itself. */
export async function ourStats(port: number): Promise<Stats> {
  const answer = await fetch(`http://127.0.0.1:${port}/chat/stats`);
  if (!answer.ok) throw new Error(`/chat/stats answers ${answer.status}`);
  return (await answer.json()) as Stats;
}

/** Waits until so many messages are pending and none is in memory only; answers how many are pending. */
export async function pendingOnceQuiet(port: number, wanted: number, deadlineMs: number): Promise<number> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const { pending, inFlight } = (await ourStats(port)).messages;
    if ((pending === wanted && inFlight === 0) || performance.now() > deadline) return pending + inFlight;
    await delay(20);
  }
}

/** What the metric counts is the time between two runs of a timer, which is due every so many milliseconds. */
const LAG_TIMER_MS = 10;

/** How late the event loop was at the 99th percentile since it was last asked, in milliseconds. */
export async function eventLoopLatenessMs(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const lag = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(await answer.text())?.[1];
  if (lag === undefined) throw new Error('/metrics has no nodejs_eventloop_lag_p99_seconds');
  return Number(lag) * 1_000 - LAG_TIMER_MS;
}

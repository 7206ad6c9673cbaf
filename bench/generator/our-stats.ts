import { setTimeout as delay } from 'node:timers/promises';

interface Stats {
  readonly connections: number;
  readonly messages: Readonly<Record<'accepted' | 'confirmed' | 'pending' | 'inFlight', number>>;
}

/** The counters that Holdfast reports. */
export async function ourStats(port: number): Promise<Stats> {
  const answer = await fetch(`http://127.0.0.1:${port}/chat/stats`);
  if (!answer.ok) throw new Error(`/chat/stats answers ${answer.status}`);
  return (await answer.json()) as Stats;
}

/** Waits until `wanted` messages are pending and none is only in memory; returns how many are pending. */
export async function pendingOnceQuiet(port: number, wanted: number, deadlineMs: number): Promise<number> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const { pending, inFlight } = (await ourStats(port)).messages;
    if ((pending === wanted && inFlight === 0) || performance.now() > deadline) return pending + inFlight;
    await delay(20);
  }
}

/** The metric counts the time between two runs of a timer, which is due at this interval, in milliseconds. */
const LAG_TIMER_MS = 10;

/** The 99th percentile of the event loop's delay since the last call, in milliseconds. */
export async function eventLoopLatenessMs(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const lag = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(await answer.text())?.[1];
  if (lag === undefined) throw new Error('/metrics has no nodejs_eventloop_lag_p99_seconds');
  return Number(lag) * 1_000 - LAG_TIMER_MS;
}

import { collectDefaultMetrics, Registry } from 'prom-client';

let ofThisProcess: Registry | null = null;

/**
 * Returns the metrics of the process: CPU, memory, garbage collection and delay of the event loop. They are collected
 * once, however many applications the process has: prom-client cannot stop the timer (which does not keep the process
 * alive) and the observer that it starts for them. A set for each application would outlive it. Each scrape resets the
 * minimum, maximum and percentiles of the delay, so that two scrapers each see a part of them.
 */
export function processMetrics(): Registry {
  if (!ofThisProcess) collectDefaultMetrics({ register: (ofThisProcess = new Registry()) });
  return ofThisProcess;
}

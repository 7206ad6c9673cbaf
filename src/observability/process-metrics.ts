import { collectDefaultMetrics, Registry } from 'prom-client';

let ofThisProcess: Registry | null = null;

/**
 * The metrics of the process: CPU, memory, garbage collection, delay of the event loop. They are measured once, whatever
 * number of applications it holds: prom-client cannot stop what it starts for them (a timer that keeps no process alive
 * and an observer), so that a set for each application would outlive it. Each scrape begins the delay's minimum,
 * maximum and percentiles anew, so that with two who scrape each sees a part of them.
 */
export function processMetrics(): Registry {
  if (!ofThisProcess) collectDefaultMetrics({ register: (ofThisProcess = new Registry()) });
  return ofThisProcess;
}

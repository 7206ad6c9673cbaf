import { cpuSeconds, machineCpuSeconds } from './process-figures.js';
import type { Figures } from './job.js';

/** Measures the CPU time of the server, the generator and all other processes since it was made. */
export class Meter {
  private readonly startedAt = performance.now();
  private readonly server = cpuSeconds(this.pid);
  private readonly machine = machineCpuSeconds();
  private readonly own = process.cpuUsage();

  constructor(private readonly pid: number) {}

  /** The generator is the limit when it uses its whole core. The CPU time of other processes is noise. */
  read(): Figures & { seconds: number; serverCpuSeconds: number } {
    const seconds = (performance.now() - this.startedAt) / 1_000;
    const serverCpuSeconds = cpuSeconds(this.pid) - this.server;
    const { user, system } = process.cpuUsage(this.own);
    const generator = (user + system) / 1e6;
    const other = Math.max(0, machineCpuSeconds() - this.machine - serverCpuSeconds - generator);
    return {
      seconds,
      serverCpuSeconds,
      serverPercent: (100 * serverCpuSeconds) / seconds,
      generatorPercent: (100 * generator) / seconds,
      otherPercent: (100 * other) / seconds,
    };
  }
}

import { machineCpuSeconds, treeCpuSeconds } from './process-figures.js';
import type { Figures, Job } from './job.js';

/** Measures the CPU time of the server, the generator and all other processes since it was made. */
export class Meter {
  private readonly startedAt = performance.now();
  private readonly nodes: number;
  private readonly bus: number;
  private readonly machine = machineCpuSeconds();
  private readonly own = process.cpuUsage();

  constructor(private readonly job: Pick<Job, 'servers' | 'busPid'>) {
    this.nodes = this.nodesCpu();
    this.bus = this.busCpu();
  }

  /**
   * The server's CPU time is that of all its processes and of the bus between them. The generator is the limit when it
   * uses its whole core. The CPU time of other processes is noise.
   */
  read(): Figures & { seconds: number; serverCpuSeconds: number; busCpuSeconds: number } {
    const seconds = (performance.now() - this.startedAt) / 1_000;
    const busCpuSeconds = this.busCpu() - this.bus;
    const serverCpuSeconds = this.nodesCpu() - this.nodes + busCpuSeconds;
    const { user, system } = process.cpuUsage(this.own);
    const generator = (user + system) / 1e6;
    const other = Math.max(0, machineCpuSeconds() - this.machine - serverCpuSeconds - generator);
    return {
      seconds,
      serverCpuSeconds,
      busCpuSeconds,
      serverPercent: (100 * serverCpuSeconds) / seconds,
      generatorPercent: (100 * generator) / seconds,
      otherPercent: (100 * other) / seconds,
    };
  }

  private nodesCpu(): number {
    return this.job.servers.reduce((sum, { pid }) => sum + treeCpuSeconds(pid), 0);
  }

  private busCpu(): number {
    return this.job.busPid === null ? 0 : treeCpuSeconds(this.job.busPid);
  }
}

import { setTimeout as pass } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { dialectOf, type Dialect } from './dialect.js';
import { faultOf } from './store-fault.js';

/** Runs the statements of the store one by one, each committed by itself, in the dialect of its database. */
export class Statements {
  readonly dialect: Dialect;

  constructor(private readonly dataSource: DataSource) {
    this.dialect = dialectOf(dataSource.options.type);
  }

  /** Runs SQL with a `?` for each parameter; returns the rows, and how many were changed. */
  async query<Row>(sql: string, parameters: unknown[]): Promise<{ records: Row[]; affected: number }> {
    const runner = this.dataSource.createQueryRunner();
    try {
      const { records, affected = 0 } = await runner.query(this.dialect.marked(sql), parameters, true);
      return { records: this.dialect.fromDriver(records as Row[]), affected };
    } catch (error) {
      if (this.dialect.lockWaitMs > 0 && faultOf(error) === 'locked') await pass(this.dialect.lockWaitMs);
      throw error;
    } finally {
      await runner.release();
    }
  }
}

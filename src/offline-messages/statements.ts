import { setTimeout as pass } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import { dialectOf, type Dialect } from './dialect.js';
import { faultOf } from './store-fault.js';

/** Runs the statements of the store one by one, in the dialect of its database. */
export class Statements {
  readonly dialect: Dialect;
  /** The transaction that is open; null while each statement is committed by itself. */
  private transaction: QueryRunner | null = null;

  constructor(private readonly dataSource: DataSource) {
    this.dialect = dialectOf(dataSource.options.type);
  }

  /** Runs SQL with a `?` for each parameter; returns the rows, and how many were changed. */
  async query<Row>(sql: string, parameters: unknown[]): Promise<{ records: Row[]; affected: number }> {
    if (this.transaction !== null) return this.run(this.transaction, sql, parameters);
    return this.withRunner((runner) => this.run(runner, sql, parameters));
  }

  /** Commits the statements of `work` together, or none of them. Only the commit queue may ask, between its reads. */
  async together<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.withRunner(async (runner) => {
      await runner.query(this.dialect.begin);
      this.transaction = runner;
      try {
        const result = await work();
        await runner.query('COMMIT');
        return result;
      } catch (error) {
        await rollBack(runner);
        throw error;
      } finally {
        this.transaction = null;
      }
    });
  }

  private async withRunner<Result>(run: (runner: QueryRunner) => Promise<Result>): Promise<Result> {
    const runner = this.dataSource.createQueryRunner();
    try {
      return await run(runner);
    } catch (error) {
      if (this.dialect.lockWaitMs > 0 && faultOf(error) === 'locked') await pass(this.dialect.lockWaitMs);
      throw error;
    } finally {
      await runner.release();
    }
  }

  private async run<Row>(runner: QueryRunner, sql: string, parameters: unknown[]) {
    const { records, affected = 0 } = await runner.query(this.dialect.marked(sql), parameters, true);
    return { records: this.dialect.fromDriver(records as Row[]), affected };
  }
}

/** SQLite has ended the transaction itself after some errors. */
async function rollBack(runner: QueryRunner): Promise<void> {
  try {
    await runner.query('ROLLBACK');
  } catch (error) {
    if (!String(error).includes('no transaction is active')) throw error;
  }
}

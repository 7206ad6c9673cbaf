import type { DataSource, QueryRunner } from 'typeorm';

/** Passes every statement of a data source to `onStatement`, which may run it or not; returns a way around it. */
export function interceptStatements(
  dataSource: DataSource,
  onStatement: (sql: string, run: () => Promise<unknown>) => Promise<unknown>,
): () => QueryRunner {
  const createQueryRunner = dataSource.createQueryRunner.bind(dataSource);
  dataSource.createQueryRunner = (mode) => {
    const runner = createQueryRunner(mode);
    return new Proxy(runner, {
      get(target, name) {
        if (name === 'query') {
          return (...parameters: Parameters<QueryRunner['query']>) =>
            onStatement(parameters[0], () => target.query(...parameters));
        }
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };
  return createQueryRunner;
}

import type { DataSource, QueryRunner } from 'typeorm';

/** Has every statement of a data source go through `onStatement`, which may run it, or not; answers how to get round that. */
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

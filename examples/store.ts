import type { DataSourceOptions } from 'typeorm';

/** Where the examples keep what waits. */
export const database: DataSourceOptions = {
  type: 'sqlite',
  database: process.env['EXAMPLE_DATABASE'] ?? 'data/example.sqlite',
};

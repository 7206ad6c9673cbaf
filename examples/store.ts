import type { DataSourceOptions } from 'typeorm';

/** Where the examples store messages that wait. */
export const database: DataSourceOptions = {
  type: 'sqlite',
  database: process.env['EXAMPLE_DATABASE'] ?? 'data/example.sqlite',
};

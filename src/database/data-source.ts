import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { storeOptions } from './store-options.js';

/** The data source of the TypeORM command line. The server opens its own with the same options. */
export default new DataSource(storeOptions(process.env['DATABASE_URL']));

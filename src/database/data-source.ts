import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { storeOptions } from './store-options.js';

/** The data source of the TypeORM command line; the server opens its own from the same options. */
export default new DataSource(storeOptions(process.env['DATABASE_URL']));

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DataSource, getMetadataArgsStorage } from 'typeorm';
import { migrations } from '../../src/database/migrations/index.js';
import { openStore } from '../../src/database/store-data-source.js';
import { storeOptions } from '../../src/database/store-options.js';
import { DATABASE_KINDS, type DatabaseKind } from '../support/databases.js';

// Each test runs up to three processes, which take a second and a half each on an idle machine.

const ROOT = resolve(import.meta.dirname, '../..');
const TABLE = 'holdfast_offline_message';
const OF_ENTITIES = getMetadataArgsStorage().tables.map(({ name }) => name!);
const OF_CLUSTER = ['holdfast_cluster', 'holdfast_node', 'holdfast_slot'];

// The command line is the same with better-sqlite3, whose tables test/e2e/store/store-contract compares.
describe.each(DATABASE_KINDS.filter(([name]) => name !== 'better-sqlite3'))(
  'the command line of TypeORM, with ormconfig.ts, on %s',
  (_name, makeKind) => {
    let kind: DatabaseKind;
    let folder: string;
    let url: string;
    beforeAll(() => {
      kind = makeKind();
    });
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'holdfast-migrations-'));
      url = await kind.create();
    });
    afterEach(() => rm(folder, { recursive: true, force: true }));
    afterAll(() => kind.dispose());

    /** Runs a script of package.json in a process of its own, as a person would. */
    function npmRun(script: string, ...args: string[]): Promise<{ exitCode: number; output: string }> {
      const options = { cwd: ROOT, env: { ...process.env, DATABASE_URL: url }, timeout: 25_000 };
      return new Promise((done) => {
        execFile('npm', ['run', '--silent', script, '--', ...args], options, (error, stdout, stderr) => {
          done({ exitCode: error ? Number(error.code ?? -1) : 0, output: stdout + stderr });
        });
      });
    }

    /** The tables of the database, read without the entities. */
    async function query(...statements: string[]): Promise<Record<string, unknown>[]> {
      const dataSource = await new DataSource({ ...storeOptions(url), entities: [], migrations: [] }).initialize();
      try {
        let rows: Record<string, unknown>[] = [];
        for (const statement of statements) rows = await dataSource.query(statement);
        return rows;
      } finally {
        await dataSource.destroy();
      }
    }

    /** Takes back what one `migration:revert` has left, in this process: a command takes two seconds. */
    async function revertTheOthers(): Promise<void> {
      const store = await new DataSource(storeOptions(url)).initialize();
      try {
        for (let left = migrations.length - 1; left > 0; left -= 1) await store.undoLastMigration();
      } finally {
        await store.destroy();
      }
    }

    const tables = async () => {
      const list = url.startsWith('postgres:')
        ? `SELECT table_name AS name FROM information_schema.tables`
        : `SELECT name FROM sqlite_master WHERE type = 'table'`;
      const names = (await query(list)).map(({ name }) => name as string);
      return names.filter((name) => name.startsWith('holdfast')).sort();
    };

    it('makes the tables, finds no drift from the entities, and takes them back', async () => {
      expect(await npmRun('migration:run')).toMatchObject({ exitCode: 0 });
      const ofKind = url.startsWith('postgres:') ? OF_CLUSTER : [];
      expect(await tables()).toEqual(['holdfast_migrations', ...OF_ENTITIES, ...ofKind].sort());
      expect(await npmRun('migration:check')).toMatchObject({
        exitCode: 0,
        output: expect.stringContaining('No changes in database schema were found'),
      });
      expect(await npmRun('migration:revert')).toMatchObject({ exitCode: 0 });
      await revertTheOthers();
      expect(await tables()).toEqual(['holdfast_migrations']);
      expect(await readdir(join(ROOT, 'src/database/migrations'))).not.toContainEqual(expect.stringMatching(/check/i));
    });

    it('notices what a database lacks, and writes the migration for it', async () => {
      await (await openStore(storeOptions(url))).destroy();
      await query(`ALTER TABLE ${TABLE} DROP COLUMN bytes`);
      const { exitCode, output } = await npmRun('migration:check');
      expect(exitCode).not.toBe(0);
      expect(output).toContain('Unexpected changes in database schema');
      expect(output).toContain('"bytes" integer NOT NULL');

      expect(await npmRun('migration:generate', join(folder, 'AddBytes'))).toMatchObject({ exitCode: 0 });
      const [file] = (await readdir(folder)).filter((name) => name.endsWith('AddBytes.ts'));
      expect(await readFile(join(folder, file!), 'utf8')).toContain('"bytes" integer NOT NULL');
    });

    it('finds a store that the server made up to date, and keeps what waits in it', async () => {
      const store = await openStore(storeOptions(url));
      await store.query(
        `INSERT INTO ${TABLE} (recipient, position, sender, id, content, bytes, "sentAt", "storedAt")
         VALUES ('bob', 1, 'alice', 'm1', 'hello', 5, 0, 0)`,
      );
      await store.destroy();
      expect(await npmRun('migration:run')).toMatchObject({
        exitCode: 0,
        output: expect.stringContaining('No migrations are pending'),
      });
      expect(await npmRun('migration:check')).toMatchObject({ exitCode: 0 });
      expect(await query(`SELECT id, content FROM ${TABLE}`)).toEqual([{ id: 'm1', content: 'hello' }]);
    });

    it('makes a store that the server takes as it is', async () => {
      expect(await npmRun('migration:run')).toMatchObject({ exitCode: 0 });
      const store = await openStore(storeOptions(url));
      try {
        expect(await store.showMigrations()).toBe(false);
        const sqlInMemory = await store.driver.createSchemaBuilder().log();
        expect(sqlInMemory.upQueries.map(({ query: sql }) => sql)).toEqual([]);
      } finally {
        await store.destroy();
      }
    });

    it('stops at an address that is not one, and says what to give', async () => {
      url = 'nonsense';
      const { exitCode, output } = await npmRun('migration:run');
      expect(exitCode).not.toBe(0);
      expect(output).toContain("DATABASE_URL begins with 'nonsense:'; give sqlite:PATH");
    });
  },
);

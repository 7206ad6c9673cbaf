import { checkBetterSqlite3, installedDriver } from './sqlite-driver.js';

describe('the driver of SQLite', () => {
  it('is sqlite3 where that is installed and TypeORM has it', () => {
    expect(installedDriver()).toBe('sqlite');
  });

  it('is refused with a sentence on a Node that it was not made for', () => {
    expect(() => checkBetterSqlite3()).not.toThrow();
    expect(() => checkBetterSqlite3('20.20.2', { version: '13.2.0', engines: { node: '>=22' } })).toThrow(
      'The package better-sqlite3 13.2.0 needs Node 22, and this is 20.20.2; run npm install better-sqlite3@12.',
    );
    const made = { version: '12.11.1', engines: { node: '20.x || 22.x' } };
    expect(() => checkBetterSqlite3('20.20.2', made)).not.toThrow();
    expect(() => checkBetterSqlite3('24.1.0', { version: '13.2.0', engines: { node: '>=22' } })).not.toThrow();
  });

  it('is named where there is none', () => {
    expect(() => checkBetterSqlite3('20.20.2', null)).toThrow(/^No driver for SQLite is installed; run npm install /);
  });
});

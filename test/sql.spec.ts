import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const SRC = join(import.meta.dirname, '../src');

/**
 * Parts of statements that are not constants, because a parameter is not allowed there. Each comes from the constants
 * or options of the source.
 */
const TOLD: Readonly<Record<string, readonly string[]>> = {
  // The name of TypeORM's table, from the options of the data source; names of pragmas, from the table of those that
  // are checked.
  'database/store-version.ts': ['table'],
  'database/sqlite-store.ts': ['name', 'LOCK_WAIT_MS[options.type]', 'logBytes', 'logPages'],
  'database/disk-room.ts': ['name'],
  'database/store-lock.ts': ['waitMs'],
  // Constant expressions of offline-messages/slot.ts and of postgres-session.ts.
  'database/cluster-tables.ts': ['slotSql'],
  'database/postgres-session.ts': ['sessionLockSql'],
  'database/node-session.ts': ['sessionLockSql'],
  'cluster/node.table.ts': ['sessionLockSql'],
  // The schema of the table, from the options of the data source.
  'database/migrations/1795790000001-add-message-extras.ts': ['schema'],
  'database/migrations/1796140000000-create-cluster.ts': ['schema'],
  'database/migrations/1796200000000-create-record.ts': ['schema'],
  // The name of a channel: a digest and a number.
  'cluster/postgres-bus.ts': ['this.channelOf(node)'],
  // Words of the dialect, which are constants of its own.
  'offline-messages/offline-message.table.ts': [
    'this.dialect.items',
    'this.dialect.address',
    'this.dialect.asJson(MESSAGE, EXTRAS)',
    'whole',
    'HEADER', // A constant of message-columns.ts.
    'this.fence.sql',
    'this.ofSlots',
  ],
  'offline-messages/last-seen.ts': ['this.statements.dialect.items', 'this.ofSlots'],
  'offline-messages/message-extras.table.ts': ['HEADER', 'this.statements.dialect.items', 'this.ofSlots'],
  'offline-messages/notice.table.ts': ['this.dialect.items', 'this.fence.sql', 'slotSql'],
  'offline-messages/statements.ts': ['this.dialect.marked(sql)', 'this.dialect.begin'],
  'offline-messages/record-rows.ts': ['this.items', 'whole', 'forUpdate', 'this.fence.sql'],
  'record/expired.table.ts': ['this.bytes', 'address', 'items', 'forUpdate', 'fence.sql'],
  'record/record.table.ts': ['this.bytes', 'this.statements.dialect.items'],
  'offline-messages/user-removal.ts': ['HEADER', 'this.ofSlots'],
  'record/record-erasure.ts': [
    'turnedSql',
    'this.access.statements.dialect.items',
    'this.access.statements.dialect.contentBytes',
  ],
  // The schema of the application's data source, quoted, and what differs between databases; `sql` is made of them.
  'outgoing/outgoing-table.ts': ['this.name', 'this.values', 'this.skipLocked', 'this.dialect.marked', 'sql'],
};

/** Methods that take a statement. Their callers are checked; their own calls are not. */
const TAKES_A_STATEMENT = ['query', 'messages', 'execute'];

/** Ways to the database that would not be seen here. */
const OTHER_WAYS =
  /\b(createQueryBuilder|getRepository|InjectRepository|EntityManager|\$queryRaw|whereInIds|orderBy|addSelect)\b|from ['"](better-)?sqlite3['"]/;

/**
 * What is handed to a method that takes a statement and is put together from anything but constants, as lines that say
 * where.
 */
function looseStatements(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const constants = new Map<string, ts.Expression>();
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement) || !(statement.declarationList.flags & ts.NodeFlags.Const)) continue;
    for (const { name, initializer } of statement.declarationList.declarations)
      if (ts.isIdentifier(name) && initializer) constants.set(name.text, initializer);
  }
  const isConstant = (node: ts.Expression): boolean => {
    if (ts.isStringLiteralLike(node) || ts.isNumericLiteral(node)) return true;
    if (TOLD[path]?.includes(node.getText())) return true;
    if (ts.isTemplateExpression(node)) return node.templateSpans.every(({ expression }) => isConstant(expression));
    if (ts.isParenthesizedExpression(node)) return isConstant(node.expression);
    // The choice between two constants may depend on anything.
    if (ts.isConditionalExpression(node)) return isConstant(node.whenTrue) && isConstant(node.whenFalse);
    if (ts.isBinaryExpression(node)) return isConstant(node.left) && isConstant(node.right);
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression))
      return isConstant(node.expression.expression) && node.arguments.every(isConstant);
    if (ts.isCallExpression(node)) return isConstant(node.expression) && node.arguments.every(isConstant);
    if (!ts.isIdentifier(node)) return false;
    const value = constants.get(node.text);
    return value !== undefined && isConstant(value);
  };
  const loose: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const [sql] = node.arguments;
      const isQuery = TAKES_A_STATEMENT.includes(node.expression.name.text);
      if (isQuery && sql && !isConstant(sql) && !isPassedOn(node, sql, isConstant))
        loose.push(`${path}: ${sql.getText()}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return loose;
}

/** A method that takes a statement passes on its argument. Its callers are checked. */
function isPassedOn(call: ts.Node, sql: ts.Expression, isConstant: (node: ts.Expression) => boolean): boolean {
  if (ts.isCallExpression(sql) && isConstant(sql.expression)) return isPassedOn(call, sql.arguments[0]!, isConstant);
  let parent = call.parent;
  while (parent && !ts.isMethodDeclaration(parent)) parent = parent.parent;
  if (!parent || !TAKES_A_STATEMENT.includes(parent.name.getText())) return false;
  return parent.parameters[0]?.name.getText() === sql.getText();
}

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
  .map((path) => ({ path, text: readFileSync(join(SRC, path), 'utf8') }));

describe('the SQL of the source', () => {
  it('is put together from constants alone', () => {
    expect(sources.filter(({ text }) => /\.query\b/.test(text)).length).toBeGreaterThan(1);
    expect(sources.flatMap(({ path, text }) => looseStatements(path, text))).toEqual([]);
  });

  it('goes one way to the database, which is looked at here', () => {
    expect(sources.filter(({ text }) => OTHER_WAYS.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it.each([
    ['this.query(`SELECT 1 FROM x WHERE name = ${user}`)', '`SELECT 1 FROM x WHERE name = ${user}`'],
    ["db.query('SELECT ' + column)", "'SELECT ' + column"],
    ['db.query(sql)', 'sql'],
    ["db.query('SELECT 1 ORDER BY ?'.replace('?', order))", "'SELECT 1 ORDER BY ?'.replace('?', order)"],
    ['const T = `${process.env.T}`; db.query(`SELECT 1 FROM ${T}`)', '`SELECT 1 FROM ${T}`'],
    ['let T = "t"; db.query(`SELECT 1 FROM ${T}`)', '`SELECT 1 FROM ${T}`'],
    ['class A { page(sql: string) { return this.db.query(sql); } }', 'sql'],
    ['this.messages(`SELECT 1 FROM x WHERE name = ${user}`)', '`SELECT 1 FROM x WHERE name = ${user}`'],
  ])('would be found out as %s', (text, found) => {
    expect(looseStatements('x.ts', text)).toEqual([`x.ts: ${found}`]);
  });

  it.each([
    'const T = "t"; db.query(`SELECT ${"a"} FROM ${T} WHERE a = ?`, [user])',
    'db.query(user ? "SELECT 1" : "SELECT 2")',
    'class A { query(sql: string) { return this.db.query(sql); } }',
  ])('may be written as %s', (text) => {
    expect(looseStatements('x.ts', text)).toEqual([]);
  });
});

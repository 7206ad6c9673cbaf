// Writes docs/options.md from the class ChatOptions; with --check it only says whether the page is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';

const PAGE = new URL('../docs/options.md', import.meta.url);
const SOURCE = new URL('../src/options/chat.options.ts', import.meta.url);

const source = ts.createSourceFile('chat.options.ts', readFileSync(SOURCE, 'utf8'), ts.ScriptTarget.Latest, true);
const options = source.statements.find((node) => ts.isClassDeclaration(node) && node.name?.text === 'ChatOptions');
const constants = Object.fromEntries(
  source.statements
    .filter(ts.isVariableStatement)
    .flatMap(({ declarationList }) => declarationList.declarations)
    .map((declaration) => [declaration.name.getText(), declaration.initializer?.getText()]),
);

function defaultOf(property) {
  let text = property.initializer.getText();
  if (text === 'descriptorLimit()') return 'open files, less 100';
  if (text === 'undefined') return 'same host';
  while (/[A-Z]{3}/.test(text)) text = text.replace(/[A-Z_]{3,}/, (name) => `(${constants[name]})`);
  if (!/^[\d\s()*_]+$/.test(text)) return text.replaceAll("'", '');
  // A product written for people, such as 8 * (1024 * 1024), is shown as the number that it is.
  const factors = text.match(/[\d_]+/g).map((factor) => Number(factor.replaceAll('_', '')));
  return factors.reduce((product, factor) => product * factor, 1).toLocaleString('en');
}

const rows = options.members
  .filter(ts.isPropertyDeclaration)
  .filter((property) => property.name.getText() !== 'clock')
  .map((property) => {
    const name = property.name.getText();
    const description = ts
      .getJSDocCommentsAndTags(property)
      .map(({ comment }) => comment)
      .join(' ')
      .replaceAll('\n', ' ')
      .replaceAll('|', '\\|');
    return `| \`${name}\` | \`CHAT_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}\` | \`${defaultOf(property)}\` | ${description} |`;
  });

const page = await format(
  `# Options

Given to \`ChatModule.forRoot({ … })\`, returned by the factory of \`forRootAsync\`, or given to the standalone server as variables of its environment, where \`none\` stands for
\`null\` and the items of a list are divided by commas. A name that is not known, or a value out of its range or with a blank or line break at its end, stops the start with a sentence that says what to give. What
Kubernetes and Docker set for a Service or a link named \`chat\` (\`CHAT_SERVICE_HOST\`, \`CHAT_PORT=tcp://…\`) is let be.
This page is made from the class \`ChatOptions\` by \`npm run docs:options\`.

| option | variable | default | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}

## What shapes the module or the server

| setting | variable | default | meaning |
| --- | --- | --- | --- |
| \`path\` | \`CHAT_PATH\` | \`/chat\` | Path of the socket; the REST calls lie below it. With \`forRootAsync\` it stands beside the factory. |
| \`isGlobal\` | | \`false\` | Whether \`ChatService\` can be injected everywhere without importing the module. With \`forRootAsync\` it stands beside the factory. |
| \`database\` | \`DATABASE_URL\` | \`sqlite:data/holdfast.sqlite\` | Where messages wait: \`sqlite:PATH\` for [whichever driver is installed](operations.md#the-driver-of-sqlite), \`better-sqlite3:PATH\` or \`postgres://USER:PASSWORD@HOST:PORT/DATABASE\`, with \`?schema=NAME\` if it has one of its own ([operations](operations.md#postgres)); in code also a \`DataSourceOptions\` of these types. The connection is the store's alone. |
| | \`HOST\`, \`PORT\` | \`127.0.0.1\`, \`3000\` | Where the standalone server listens; port 0 takes any free one. |
| | \`LOG_FORMAT\` | \`text\` | How the standalone server writes its log: \`text\` for people, \`json\` for one object a line. |
| \`authenticate\` | \`CHAT_AUTH\` | \`trusted\` | How users are known ([protocol 8](protocol.md#8-authentication)): \`trusted\` believes \`?user=\`, on loopback only; \`jwt\` checks tokens; or a function of yours. |
| \`jwt({ secret })\` | \`CHAT_JWT_SECRET\` | | The secret of HS256, 32 bytes or more; of HS384 48, of HS512 64. |
| \`jwt({ publicKey })\` | \`CHAT_JWT_PUBLIC_KEY\` | | Or the public key, as PEM, of RSA with 2,048 bits or more, of a curve P-256, P-384 or P-521, or of Ed25519; its lines may be joined by \`\\n\`. |
| \`jwt({ jwksUrl })\` | \`CHAT_JWKS_URL\` | | Or where such keys are published, \`https:\`, or \`http:\` on the own machine. Exactly one of the three. |
| \`jwt({ algorithm })\` | \`CHAT_JWT_ALGORITHM\` | \`HS256\`, \`RS256\` | What tokens are signed with, where the key does not say it: HS256, HS384 or HS512 with a secret; RS256, RS384, RS512, PS256, PS384 or PS512 with RSA. |
| \`jwt({ issuer })\` | \`CHAT_JWT_ISSUER\` | | What \`iss\` of a token has to be. Required with \`jwt\`. |
| \`jwt({ audience })\` | \`CHAT_JWT_AUDIENCE\` | | What \`aud\` of a token has to be, or contain. Required with \`jwt\`. |
| \`jwt({ userClaim })\` | \`CHAT_JWT_USER_CLAIM\` | \`sub\` | The claim that holds the user's name ([operations](operations.md#tokens)); never one that users can change. |
| \`authorize\` | | | A function of yours that says whether a connection may send a message; refused with NOT_ALLOWED. |
| \`adminToken\` | \`CHAT_ADMIN_TOKEN\` | \`null\` | The administrator's bearer token, 16 characters or more. |
| \`insecure\` | \`CHAT_INSECURE\` | \`false\` | \`1\` (or \`--insecure\`): serve other machines although nothing is proved; warns at every start. |
`,
  { ...(await resolveConfig(PAGE)), parser: 'markdown' },
);

if (!process.argv.includes('--check')) writeFileSync(PAGE, page);
else if (readFileSync(PAGE, 'utf8') !== page) {
  console.error('docs/options.md is not up to date: run npm run docs:options');
  process.exitCode = 1;
}

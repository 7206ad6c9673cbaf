// Writes docs/errors.md from the tables in src/protocol; with --check it only says whether the page is up to date.
import '@swc-node/register/esm-register';
import { writeOrCheck } from './generated-file.mjs';

const { ERROR_CODES } = await import('../src/protocol/chat-error.ts');
const { CLOSE_CODES } = await import('../src/protocol/close-code.ts');
const { HANDSHAKE_REFUSALS } = await import('../src/protocol/handshake-code.ts');

function table(heads, rows) {
  const lines = [heads, heads.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
}

const errors = Object.entries(ERROR_CODES).map(([code, { temporary, status = '', meaning, remedy }]) => [
  `\`${code}\``,
  temporary ? 'yes' : 'no',
  status,
  meaning,
  remedy,
]);
const closeCodes = Object.entries(CLOSE_CODES).map(([code, { meaning, remedy }]) => [code, meaning, remedy]);
const refusals = Object.entries(HANDSHAKE_REFUSALS).map(([code, { status, meaning }]) => [
  status,
  `\`${code}\``,
  meaning,
]);

await writeOrCheck(
  'docs/errors.md',
  `# Errors

Every refusal says what happened and what to do.
\`temporary\` says whether the same request may succeed later.
An error never repeats what a client wrote.
This page is made from the tables in \`src/protocol\` by \`npm run docs:errors\`.

## Exceptions

In the JSON protocol they are \`exception\` frames, in the text protocol \`error: CODE: text\`.
Over HTTP they have the status in the table and the body \`{ statusCode, code, message }\`; codes without a status are of frames only.
\`SENDER_QUOTA\` also has a \`scope\`, in the frame, in the body and on a \`ChatException\`; the text protocol says it in words.

${table(['code', 'temporary', 'HTTP', 'meaning', 'what to do'], errors)}

To the application, \`ChatService\` rejects with a \`ChatException\`, which is an \`HttpException\` with the status of this table.
A controller need not catch it.

## Close codes

${table(['code', 'meaning', 'what to do'], closeCodes)}

## Before the upgrade

These are HTTP responses with the body \`{ statusCode, code, message }\`.
A browser shows all of them as close code 1006; a page asks for the reason with a plain \`GET\` ([protocol 7.3](protocol.md#73-why-a-handshake-is-refused)).

${table(['status', 'code', 'meaning'], refusals)}

A path at which nothing is served is refused with 404 \`NO_SUCH_PATH\`.
A JSON body that is longer than any content can need is refused with 413 \`PAYLOAD_TOO_LARGE\`.
The standalone server closes a socket without a response if one address holds too many sockets, or sends too many requests at once ([operations](operations.md#what-strangers-may-hold)).

Only \`POST /chat/tickets\` is refused with \`TOO_MANY_TICKETS\`: with 429 when ten tickets of this user are unused, and with 503 when 10,000 of all users are.
Use them, or try again after \`Retry-After\`.

An authenticator of the application may have refusals of its own, with a status from 400 to 599 ([protocol 8.5](protocol.md#85-authenticators-of-the-application)).
`,
  'npm run docs:errors',
);

#!/usr/bin/env node
// Starts the server of the package holdfast. This package has no code of its own: it brings what that server needs.
const USAGE = `Usage: holdfast-server [--insecure]

Starts the chat relay on http://127.0.0.1:3000, with its data in data/holdfast.sqlite.
Its settings come from the environment: PORT, HOST, DATABASE_URL, CHAT_AUTH and others, which are described in
https://github.com/holdfast-chat/holdfast/blob/main/docs/options.md

  --insecure  serves other machines without asking who their users are
  --help
`;

const args = process.argv.slice(2);
if (args.every((arg) => arg === '--insecure')) {
  process.setSourceMapsEnabled(true);
  await import(new URL('dist/main.js', import.meta.resolve('holdfast/package.json')).href);
} else {
  const isAsked = args.includes('--help');
  (isAsked ? process.stdout : process.stderr).write(USAGE);
  process.exitCode = isAsked ? 0 : 2;
}

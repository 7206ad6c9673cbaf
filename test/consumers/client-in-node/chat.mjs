// Sends a message to Bob, prints its receipt and the first message that comes, and ends.
import { createClient } from 'holdfast-client';

const [url, withWs] = process.argv.slice(2);
// Node has a WebSocket of its own since version 22.
const WebSocket = withWs ? (await import('ws')).WebSocket : undefined;
const chat = createClient({ url, user: 'alice', WebSocket });

chat.on('error', ({ error, about }) => {
  console.log(`${about}: ${error.message}`);
  process.exit(1);
});
const answered = new Promise((resolve) => chat.on('message', resolve));
chat.connect();
const { status } = await chat.send('bob', 'see you at noon').settled;
console.log(status);
const { from, content } = await answered;
console.log(`${from}: ${content}`);
await chat.close();

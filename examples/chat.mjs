// A chat client for the terminal: `node examples/chat.mjs NAME`. It sends what you type, and prints what comes. It
// knows no protocol but WebSocket itself: its pongs confirm what it got.
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

const user = encodeURIComponent(process.argv[2] ?? '');
const socket = new WebSocket(`ws://127.0.0.1:${process.env.PORT ?? 3000}/chat?user=${user}`);

socket.on('message', (data) => console.log(data.toString()));
socket.on('unexpected-response', (_request, response) => response.pipe(process.stderr));
socket.on('error', ({ message }) => {
  console.error(`not connected: ${message}`);
  process.exitCode = 1;
});
socket.on('close', (code, reason) => code > 1000 && console.error(`closed: ${code} ${reason.toString()}`));
socket.on('open', () => {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => socket.send(line));
  lines.on('close', () => socket.close(1000));
});

import { createClient } from 'holdfast-client';

const query = new URLSearchParams(location.search);
const chat = createClient({ url: query.get('server')!, user: query.get('user')! });
const form = document.forms[0]!;

function show(text: string): void {
  const line = document.createElement('li');
  line.textContent = text;
  document.querySelector('ol')!.append(line);
}

chat.on('message', ({ from, content, redelivered }) => show(`${from}: ${content}${redelivered ? ' (again)' : ''}`));
chat.on('receipt', ({ to, status }) => show(`${status} to ${to}`));
chat.on('state', ({ state }) => (document.querySelector('#state')!.textContent = state));
chat.connect();

form.onsubmit = async (event) => {
  event.preventDefault();
  const { to, text } = Object.fromEntries(new FormData(form)) as { to: string; text: string };
  const { persistent } = await chat.send(to, text).kept;
  show(persistent ? `kept: ${text}` : `not kept: ${text}`);
};

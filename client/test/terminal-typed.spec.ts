import { setImmediate as turn } from 'node:timers/promises';
import { lost, noServer, start } from './terminal-stage.js';

describe('with a person, the terminal client', () => {
  const typed = { isTyped: true } as const;

  it('keeps the line that is typed below what comes', async () => {
    const { client, stdin, written, says } = await start(typed);
    client.online();
    stdin.write('bob|half a li');
    await says('half a li');
    const before = written.out.length;
    await client.receive({ content: 'one\ntwo \u001b]52;c;aGk=\u0007' });
    await says('two');
    expect(written.out.slice(before)).toMatch(
      // eslint-disable-next-line no-control-regex
      /^\u001b\[1G\u001b\[0J2026-11-23 \d\d:30 bob: one\n {2}│ two ␛\]52;c;aGk=␇\n\u001b\[1G\u001b\[0Jalice> bob\|half a li\u001b\[\d+G$/,
    );
  });

  it('sends what is typed, says what became of it, and has commands', async () => {
    const { client, stdin, ended, type, says } = await start(typed);
    client.online();
    await says('online as alice');
    await type('bob|hi\r', 1);
    client.settle(0, { status: 'stored' });
    await says('✓ bob: hi (stored: waits for them)');
    client.receipt({ id: 'id-0', to: 'bob', status: 'delivered' });
    await says('✓✓ bob: hi');
    stdin.write('/help\r\r/what\r');
    await says('✓✓ they have it');
    await says('✗ there is no such command');
    expect(client.sent).toHaveLength(1);
    stdin.write('/quit\r');
    expect(await ended).toBe(0);
    expect(client.calls).toEqual(['connect', 'close']);
  });

  it('has a history of the lines', async () => {
    const { client, stdin, type } = await start(typed);
    client.online();
    await type('bob|first\r', 1);
    stdin.write('\u001b[A');
    await type('!\r', 2);
    expect(client.sent.map(({ content }) => content)).toEqual(['first', 'first!']);
  });

  it('goes on without a server, counts down, and keeps what is written', async () => {
    const { client, stdin, ended, type, says, written } = await start({ ...typed, args: ['alice'] });
    client.become(lost);
    client.become({ ...noServer, retryAt: Date.now() + 2_500 });
    await says('there is no server at ws://127.0.0.1:3000/chat');
    await says('alice (offline, next try in 3 s)> ');
    await type('bob|later\r', 1);
    await says('to send: 1)> ');
    await says('alice (offline, next try in 2 s');
    expect(written.out).not.toContain('lost');
    stdin.write('\u0004');
    expect(await ended).toBe(1);
    expect(written.out).toContain('not sent, kept for the next time: 1');
  });

  it('lets somebody who leaves see the last receipt', async () => {
    const { client, stdin, ended, type, says } = await start(typed);
    client.online();
    await type('bob|hi\r/quit\r', 1);
    stdin.write('');
    await turn();
    expect(client.calls).toEqual(['connect']);
    client.settle(0, { status: 'delivered' });
    await says('✓✓ bob: hi');
    expect(await ended).toBe(0);
  });

  it('ends at Ctrl-C', async () => {
    const { client, stdin, ended } = await start(typed);
    client.online();
    stdin.write('half a line\u0003');
    expect(await ended).toBe(0);
  });

  it('takes no token that would be seen while it is typed', async () => {
    const { ended, written } = await start({ ...typed, args: ['alice', '--no-store', '--token-file', '-'] });
    expect(await ended).toBe(2);
    expect(written.err).toContain('a token that is typed would be seen');
  });
});

import { Issuer } from '../support/issuer.js';
import type { Reader } from './reader.js';
import { describeInChromium } from './stage.js';

describeInChromium('the chat page of a server that checks tokens', (stage) => {
  let issuer: Issuer;

  beforeEach(async () => {
    issuer = await Issuer.start();
    const { jwksUrl, issuer: iss, audience } = issuer.jwt;
    const byToken = { CHAT_AUTH: 'jwt', CHAT_JWKS_URL: jwksUrl, CHAT_JWT_ISSUER: iss, CHAT_JWT_AUDIENCE: audience };
    await stage.restage({ ...byToken, CHAT_PATH: '/team/talk' });
  });
  afterEach(() => issuer.stop());

  async function visit(name: string): Promise<Reader> {
    const reader = await stage.open(name);
    await reader.page.goto(stage.site.origin);
    return reader;
  }

  async function arrive(name: string, claims = {}): Promise<Reader> {
    const reader = await visit(name);
    await reader.connectWith(await issuer.token(name, claims));
    await reader.untilStatus(`online as ${name}`);
    return reader;
  }

  const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
  const refusal = (reader: Reader, hasText: string) =>
    reader.page.getByRole('alert').filter({ hasText }).waitFor({ state: 'visible' });
  const messageField = ({ page }: Reader) => page.getByRole('textbox', { name: 'Message', exact: true });

  it('connects with a token, under the name that the server says, and carries messages', async () => {
    const alice = await arrive('alice & \u611b');
    const bob = await arrive('bob');
    await alice.write('bob', 'did the rope hold?');
    await alice.sees('to bob', 'did the rope hold?', 'delivered');
    await bob.sees('alice & \u611b', 'did the rope hold?');
    expect(await bob.page.getByLabel('Your token').isVisible()).toBe(false);
  });

  it('hands over what waited, with the time at which it was sent', async () => {
    const alice = await arrive('alice');
    await alice.write('bob', 'while you were away');
    const sent = await alice.sees('while you were away', 'stored');
    const bob = await arrive('bob');
    const late = await bob.sees('alice', 'while you were away', 'waited');
    const timeOf = (row: typeof late) => row.locator('time').getAttribute('datetime');
    expect(await timeOf(late)).toBe(await timeOf(sent));
  });

  it('takes a token as it was copied, and leaves it nowhere', async () => {
    const alice = await visit('alice');
    const token = await issuer.token('alice');
    const complaints: string[] = [];
    const addresses: string[] = [];
    alice.page.on('console', (message) => complaints.push(message.text()));
    // The icon may be fetched at any time.
    alice.page.on('request', (request) => request.url().endsWith('/icon.svg') || addresses.push(request.url()));
    alice.page.on('websocket', (socket) => addresses.push(socket.url()));
    await alice.connectWith(` Bearer ${token}\n`);
    await alice.untilStatus('online as alice');
    expect(addresses).toEqual([`${stage.site.origin.replace('http', 'ws')}/team/talk`]);
    expect(await alice.page.evaluate('JSON.stringify([localStorage, sessionStorage, document.cookie])')).toBe(
      '[{},{},""]',
    );
    expect(await alice.page.content()).not.toContain(token);
    expect(complaints).toEqual([]);
    await alice.page.reload();
    expect(await alice.page.getByLabel('Your token').inputValue()).toBe('');
  });

  it('says why the server refuses a token, and takes another one', async () => {
    const alice = await visit('alice');
    await alice.connectWith('no token at all');
    await refusal(alice, 'three parts divided by dots');
    await alice.connectWith(await issuer.token('alice', { aud: 'mail' }));
    await refusal(alice, 'the server does not take this token: valid credentials are needed; get new ones');
    expect(await alice.page.getByRole('log').isVisible()).toBe(false);
    await alice.connectWith(await issuer.token('alice', { exp: inSeconds(-5) })); // Within the tolerance of the clocks.
    await refusal(alice, 'the server does not take this token');
    await alice.connectWith(await issuer.token('alice'));
    await alice.untilStatus('online as alice');
  });

  it('says that the token could not be checked, and when it tries again with it', async () => {
    await arrive('bob'); // From here on the keys are known.
    issuer.outage = 500;
    const alice = await visit('alice');
    // Of a key that may be new: those that were read before are good for a day.
    await alice.connectWith(await issuer.token('alice', {}, { kid: 'new' }));
    await alice.untilStatus(/the credentials cannot be checked at the moment.*\(503 \w+\); trying again in \d+ s/);
    expect(await alice.page.getByLabel('Your token').isVisible()).toBe(false);
    issuer.outage = null;
    const again = await visit('alice');
    await again.connectWith(await issuer.token('alice'));
    await again.untilStatus('online as alice');
  });

  it('asks for a new token when the old one expires, and keeps what was written and what is being written', async () => {
    const bob = await arrive('bob');
    const alice = await arrive('alice', { exp: inSeconds(4) });
    await alice.write('bob', 'first');
    await alice.sees('first', 'delivered');
    await messageField(alice).fill('half a sent');
    await alice.untilStatus('offline: another token is needed');
    await refusal(alice, 'the token has expired; a new one is needed');
    await messageField(alice).pressSequentially('ence');
    expect(await messageField(alice).inputValue()).toBe('half a sentence');
    await messageField(alice).press('Enter');
    await alice.sees('half a sentence', 'waits for the connection');
    await messageField(alice).fill('and more');

    await alice.connectWith(await issuer.token('mallory'));
    await refusal(alice, 'that is a token of mallory, and this page is alice\u2019s');
    await alice.connectWith(await issuer.token('alice'));
    await alice.untilStatus('online as alice');
    await alice.sees('half a sentence', 'delivered');
    expect(await messageField(alice).inputValue()).toBe('and more');
    expect(await messageField(alice).evaluate((field) => field.matches(':focus'))).toBe(true);
    await bob.sees('alice', 'half a sentence');
    expect(await bob.contents()).toEqual(['first', 'half a sentence']);
  });

  it('fits a phone of 360 pixels, also when it asks again', async () => {
    const alice = await stage.open('alice', { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
    await alice.page.goto(stage.site.origin);
    const overflow = 'document.documentElement.scrollWidth + document.documentElement.scrollHeight';
    const fits = async () => expect(await alice.page.evaluate(overflow)).toBe(360 + 640);
    await alice.page.getByLabel('Your token').waitFor();
    await fits();
    await alice.connectWith(await issuer.token('alice', { exp: inSeconds(4) }));
    await alice.untilStatus('online as alice');
    await alice.write('alice', 'note to self');
    await refusal(alice, 'the token has expired');
    await fits();
    for (const field of [alice.page.getByLabel('Your token'), messageField(alice)]) {
      expect(await field.evaluate((each) => each.getBoundingClientRect().bottom)).toBeLessThanOrEqual(640);
    }
  });
});

describeInChromium('the chat page of a server on another path', (stage) => {
  it('finds the socket, whatever the path is', async () => {
    await stage.restage({ CHAT_PATH: '/a/b-c.d~e' });
    const alice = await stage.arrive('alice');
    await alice.write('alice', 'note to self');
    await alice.sees('to alice', 'delivered');
    expect(await alice.contents()).toHaveLength(2);
  });

  it('says so when the server does not tell how to connect', async () => {
    const alice = await stage.open('alice');
    await alice.page.route('**/settings.json', (route) => route.fulfill({ status: 503, body: 'a proxy' }));
    await alice.page.goto(stage.site.origin);
    await alice.untilStatus('offline: the server does not say how to connect; load the page again');
    expect(await alice.page.getByRole('button').filter({ visible: true }).count()).toBe(0);
  });
});

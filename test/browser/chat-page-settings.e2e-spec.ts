import { Issuer } from '../support/issuer.js';
import type { Reader } from './reader.js';
import { describeInChromium } from './stage.js';

/** How long a token is good that expires in a test, in seconds: a busy machine has to connect and write with it. */
const SHORT_S = 10;

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
  const refusal = (reader: Reader, hasText: string | RegExp) =>
    reader.page.getByRole('alert').filter({ hasText }).waitFor({ state: 'visible' });

  it('connects with a token, under the name in it, and carries messages', async () => {
    const alice = await arrive('alice & \u611b');
    const bob = await arrive('bob');
    await alice.write('bob', 'did the rope hold?');
    await alice.sees('did the rope hold?', 'delivered');
    await bob.opens('alice & \u611b');
    await bob.sees('did the rope hold?');
    expect(await bob.page.getByLabel('Your token').isVisible()).toBe(false);
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
    await alice.button('Frames').click();
    await alice.page.locator('.frame').first().waitFor();
    expect(await alice.page.content()).not.toContain(token);
    const kept = await alice.page.evaluate<string>(`(async () => {
      const all = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      const found = [];
      for (const { name } of await indexedDB.databases()) {
        const db = await all(indexedDB.open(name));
        for (const store of db.objectStoreNames) found.push(await all(db.transaction(store).objectStore(store).getAll()));
        db.close();
      }
      return JSON.stringify(found);
    })()`);
    expect(kept).not.toContain(token);
    expect(complaints).toEqual([]);
    await alice.page.reload();
    expect(await alice.page.getByLabel('Your token').inputValue()).toBe('');
  });

  it('says what is wrong with a token, as far as that can be read in it, and takes another one', async () => {
    const alice = await visit('alice');
    await alice.connectWith('no token at all');
    await refusal(alice, 'three parts divided by dots');
    await alice.connectWith(await issuer.token('alice', { sub: null }));
    await refusal(alice, 'This token names nobody: it has no text in “sub”.');
    expect(await alice.page.locator('#chat').isVisible()).toBe(false);
    await alice.connectWith(await issuer.token('alice', { aud: 'mail' }));
    await refusal(alice, `It is of ${Issuer.ISSUER}, for mail`);
    await alice.connectWith(await issuer.token('alice', { exp: inSeconds(-3_700) }));
    await refusal(alice, /This token ended 1 hrs? ago/);
    await alice.connectWith(await issuer.token('alice', { nbf: inSeconds(600) }));
    await refusal(alice, /This token is not valid yet: it begins in (9|10) mins?/);
    await alice.connectWith(await issuer.token('alice'));
    await alice.untilStatus('online as alice');
  });

  it('says that the token could not be checked, and when it tries again with it', async () => {
    await arrive('bob'); // From here on the keys are known.
    issuer.outage = 500;
    const alice = await visit('alice');
    // Of a key that may be new: those that were read before are good for a day.
    await alice.connectWith(await issuer.token('alice', {}, { kid: 'new' }));
    await alice.untilStatus(/the credentials cannot be checked at the moment/);
    await alice.page
      .locator('#countdown')
      .filter({ hasText: /trying again in \d+ sec/ })
      .waitFor();
    expect(await alice.page.getByLabel('Your token').isVisible()).toBe(false);
    issuer.outage = null;
    const again = await visit('alice');
    await again.connectWith(await issuer.token('alice'));
    await again.untilStatus('online as alice');
  });

  it('asks for a new token when the old one expires, and keeps what was written and what is being written', async () => {
    const bob = await arrive('bob');
    const alice = await arrive('alice', { exp: inSeconds(SHORT_S) });
    await alice.write('bob', 'first');
    await alice.sees('first', 'delivered');
    await alice.field.fill('half a sent');
    await refusal(alice, 'The token ends soon.');
    await alice.untilStatus('offline: another token is needed');
    await refusal(alice, 'The token has expired; a new one is needed.');
    await alice.field.pressSequentially('ence');
    expect(await alice.field.inputValue()).toBe('half a sentence');
    await alice.field.press('Enter');
    await alice.sees('half a sentence', 'waits for the connection');
    await alice.field.fill('and more');

    await alice.connectWith(await issuer.token('mallory'));
    await refusal(alice, 'That is a token of mallory, and this page is alice’s.');
    await alice.connectWith(await issuer.token('alice'));
    await alice.untilStatus('online as alice');
    await alice.sees('half a sentence', 'delivered');
    expect(await alice.field.inputValue()).toBe('and more');
    await bob.opens('alice');
    await bob.sees('half a sentence');
    expect(await bob.contents()).toEqual(['first', 'half a sentence']);
  });

  it('goes on without a gap when the new token comes in time', async () => {
    const alice = await arrive('alice', { exp: inSeconds(12) });
    await refusal(alice, 'The token ends soon.');
    expect(await alice.status.textContent()).toBe('online as alice');
    await alice.connectWith(await issuer.token('alice'));
    await alice.button('Frames').click();
    await alice.page.locator('.frame').filter({ hasText: '"event":"renewed"' }).waitFor();
    expect(await alice.page.locator('.frame').filter({ hasText: '"event":"welcome"' }).count()).toBe(1);
  });

  it('fits a phone of 360 pixels, also when it asks again', async () => {
    const alice = await stage.open('alice', { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
    await alice.page.goto(stage.site.origin);
    const overflow = 'document.documentElement.scrollWidth + document.documentElement.scrollHeight';
    const fits = async () => expect(await alice.page.evaluate(overflow)).toBe(360 + 640);
    await alice.page.getByLabel('Your token').waitFor();
    await fits();
    await alice.connectWith(await issuer.token('alice', { exp: inSeconds(SHORT_S) }));
    await alice.untilStatus('online as alice');
    await alice.write('alice', 'note to self');
    await refusal(alice, 'The token has expired');
    await fits();
    for (const field of [alice.page.getByLabel('Your token'), alice.field]) {
      expect(await field.evaluate((each) => each.getBoundingClientRect().bottom)).toBeLessThanOrEqual(640);
    }
  });
});

describeInChromium('the chat page of a server on another path', (stage) => {
  it('finds the socket, whatever the path is', async () => {
    await stage.restage({ CHAT_PATH: '/a/b-c.d~e' });
    const alice = await stage.arrive('alice');
    await alice.write('alice', 'note to self');
    await alice.sees('note to self', 'delivered');
    expect(await alice.contents()).toHaveLength(1);
  });

  it('says so when the server does not tell how to connect, and offers to load it again', async () => {
    const alice = await stage.open('alice');
    await alice.page.route('**/settings.json', (route) => route.fulfill({ status: 503, body: 'a proxy' }));
    await alice.page.goto(stage.site.origin);
    await alice.untilStatus('offline: the server does not say how to connect; load the page again');
    expect(await alice.page.getByRole('button').filter({ visible: true }).allTextContents()).toEqual(['Load again']);
  });
});

import { eventually } from '../support/deadline.js';
import { ChatPeer } from './chat-peer.js';
import { describeInChromium } from './stage.js';

describeInChromium('the chat page of a server that records', (stage) => {
  beforeEach(() => stage.restage({ CHAT_RECORD_MS: '90d', CHAT_SESSIONS: 'multiple', CHAT_FRAMES_PER_SECOND: 'none' }));

  it('shows a new login what was said, with what is unread, and brings what is earlier', async () => {
    const elsewhere = await ChatPeer.connect(`${stage.site.origin.replace('http', 'ws')}/chat`, 'alice');
    const numbers = Array.from({ length: 70 }, (_, index) => index + 1);
    await Promise.all(numbers.map((number) => elsewhere.send('bob', `message ${number}`)));
    await elsewhere.close();
    const alice = await stage.arrive('alice');
    await alice.opens('bob');
    await alice.sees('message 70', 'stored until fetched');
    await alice.write('carol', 'and you?');
    await alice.sees('and you?', 'stored until fetched');
    let bob = await stage.arrive('bob');
    await bob.person('alice').filter({ hasText: '70 unread messages' }).waitFor();
    await bob.opens('alice');
    await bob.sees('message 70');
    await bob.page.locator('.separator.new').getByText('70 new').waitFor();
    await bob.page.locator('#log').press('End'); // They are read when the last one is in sight.
    await alice.opens('bob');
    await alice.sees('message 70', 'read');
    await bob.write('alice', 'got them all');
    await alice.sees('got them all');
    await bob.page.context().close();

    bob = await stage.arrive('bob');
    await bob.person('alice').filter({ hasText: 'You: got them all' }).waitFor();
    expect(await bob.person('alice').locator('.unread').count()).toBe(0);
    await bob.opens('alice');
    await bob.sees('message 22');
    expect((await bob.contents()).length).toBe(50);
    await bob.button('Show earlier messages').click();
    await eventually(async () => (await bob.contents()).length === 71);
    expect((await bob.contents()).slice(0, 3)).toEqual(['message 1', 'message 2', 'message 3']);
    expect(await bob.button('Show earlier messages').isVisible()).toBe(false);

    const another = await stage.arrive('alice');
    await another.person('carol').filter({ hasText: 'You: and you?' }).waitFor();
    expect(await another.page.locator('.who').allTextContents()).toEqual(['Everyone', 'bob', 'carol']);
  });

  it('is the same on two devices: what is sent, what comes, and what is read', async () => {
    const phone = await stage.arrive('alice', { viewport: { width: 390, height: 844 } });
    const laptop = await stage.arrive('alice');
    const bob = await stage.arrive('bob');
    await bob.write('alice', 'which of you is there?');
    for (const device of [phone, laptop]) await device.person('alice').or(device.person('bob')).first().waitFor();
    for (const device of [phone, laptop]) await device.person('bob').filter({ hasText: '1 unread message' }).waitFor();
    await laptop.opens('bob');
    await laptop.page.locator('.separator.new').getByText('1 new').waitFor();
    await phone.person('bob').locator('.unread').waitFor({ state: 'detached' });
    await bob.sees('which of you', 'read');
    await laptop.write('bob', 'both of me');
    await phone.opens('bob');
    await phone.sees('both of me');
    await bob.sees('both of me');
    await phone.sees('both of me', 'read');
    expect(await phone.contents()).toEqual(['which of you is there?', 'both of me']);
    expect(await laptop.contents()).toEqual(['which of you is there?', 'both of me']);
  });

  it('has after a disconnect what another device has said meanwhile', async () => {
    const phone = await stage.arrive('alice');
    const bob = await stage.arrive('bob');
    await phone.write('bob', 'one');
    await phone.sees('one');
    await phone.disconnect();
    const laptop = await stage.arrive('alice');
    await laptop.write('bob', 'two');
    await laptop.sees('two', 'delivered');
    await bob.write('alice', 'three');
    await laptop.sees('three');
    await phone.button('Connect').click();
    await phone.sees('two');
    await phone.sees('three');
    expect(await phone.contents()).toEqual(['one', 'two', 'three']);
  });

  it('keeps what a person has selected, and the focus, while messages come between others', async () => {
    const phone = await stage.arrive('alice');
    await phone.write('bob', 'one');
    await phone.sees('one', 'stored until fetched');
    await phone.disconnect();
    const laptop = await stage.arrive('alice');
    await laptop.write('bob', 'two');
    await laptop.sees('two', 'stored until fetched');
    await phone.page.locator('.message').focus();
    await phone.page.locator('.message .content').selectText();
    await phone.button('Connect').dispatchEvent('click');
    await phone.sees('two');
    expect(await phone.page.evaluate('String(getSelection())')).toBe('one');
    expect(await phone.page.evaluate('document.activeElement.className')).toMatch(/^message/);
  });
});

import { eventually } from '../support/deadline.js';
import { describeInChromium } from './stage.js';

describeInChromium('what was said on the chat page', (stage) => {
  it('is there again after a reload: messages, receipts, unread counts, drafts and the open conversation', async () => {
    const alice = await stage.arrive('alice & 愛');
    const bob = await stage.arrive('bob');
    await alice.write('bob', 'did the rope hold?');
    await alice.sees('did the rope hold?', 'delivered');
    await bob.write(alice.name, 'it did');
    await alice.sees('it did');
    const carol = await stage.arrive('carol');
    await carol.write(alice.name, 'and mine?');
    await alice.person('carol').filter({ hasText: '1 unread message' }).waitFor();
    await alice.field.fill('half a sent');
    await alice.page.reload();
    await alice.untilStatus('online as alice & 愛');
    await alice.sees('did the rope hold?', 'delivered');
    expect(await alice.contents()).toEqual(['did the rope hold?', 'it did']);
    expect(await alice.field.inputValue()).toBe('half a sent');
    await alice.person('carol').filter({ hasText: '1 unread message' }).filter({ hasText: 'and mine?' }).waitFor();
    await alice.opens('carol');
    await alice.person('bob').filter({ hasText: 'Draft: half a sent' }).waitFor();
    expect(await alice.field.inputValue()).toBe('');
    await alice.opens('bob');
    expect(await alice.field.inputValue()).toBe('half a sent');
  });

  it('and waits to be sent goes out after a reload, in order', async () => {
    const alice = await stage.arrive('alice');
    await alice.disconnect();
    for (const content of ['one', 'two', 'three']) await alice.write('bob', content);
    await alice.sees('three', 'waits for the connection');
    await alice.page.reload();
    await alice.untilStatus('online as alice');
    await alice.sees('three', 'stored');
    const bob = await stage.arrive('bob');
    await bob.opens('alice');
    await bob.sees('three');
    expect(await bob.contents()).toEqual(['one', 'two', 'three']);
    expect(await alice.contents()).toEqual(['one', 'two', 'three']);
  });

  it('is taken back while it waits, and is in the field again', async () => {
    const alice = await stage.arrive('alice');
    await alice.disconnect();
    await alice.write('bob', 'too hasty');
    const row = await alice.sees('too hasty', 'waits for the connection');
    await row.getByRole('button', { name: 'Cancel' }).click();
    await row.waitFor({ state: 'detached' });
    expect(await alice.field.inputValue()).toBe('too hasty');
    await alice.button('Connect').click();
    await alice.write('bob', 'marker');
    await alice.sees('marker', 'stored');
    const bob = await stage.arrive('bob');
    await bob.opens('alice');
    await bob.sees('marker');
    expect(await bob.contents()).toEqual(['marker']);
  });

  it('is on every tab of the browser, over one connection, and read in all when it is read in one', async () => {
    const alice = await stage.arrive('alice');
    const second = await alice.openTab();
    const third = await alice.openTab();
    for (const tab of [second, third]) await tab.untilStatus('online as alice');
    const bob = await stage.arrive('bob');
    await bob.write('alice', 'which of you is it?');
    for (const tab of [alice, second, third]) await tab.person('bob').filter({ hasText: '1 unread message' }).waitFor();
    const { connections } = (await (await fetch(`${stage.site.origin}/chat/users/alice`)).json()) as {
      connections: number;
    };
    expect(connections).toBe(1);
    await third.page.bringToFront();
    await third.opens('bob');
    for (const tab of [alice, second])
      await eventually(async () => (await tab.person('bob').locator('.unread').count()) === 0);
    await second.write('bob', 'all of us');
    await second.sees('all of us', 'delivered');
    await third.sees('all of us', 'delivered');
    await alice.page.close();
    await bob.write('alice', 'and now?');
    await third.sees('and now?');
    await second.sees('and now?');
    await third.page.reload();
    await third.sees('and now?');
    expect(await third.contents()).toEqual(['which of you is it?', 'all of us', 'and now?']);
  });

  it('stays on leaving the page, and is removed on signing out, in all tabs', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('bob', 'secret');
    await alice.sees('secret', 'stored');
    await alice.button('Sign out').click();
    await alice.button('Keep it and leave').click();
    await alice.connect();
    await alice.person('bob').filter({ hasText: 'secret' }).waitFor();
    const second = await alice.openTab();
    await second.untilStatus('online as alice');
    await alice.button('Sign out').click();
    await alice.button('Remove it and sign out').click();
    for (const tab of [alice, second]) await tab.page.getByLabel('Your name').waitFor();
    await alice.connect();
    await alice.untilStatus('online as alice');
    await eventually(async () => (await alice.page.locator('.person').count()) === 1); // Everyone.
    expect(await alice.person('bob').count()).toBe(0);
  });

  it('is said to be left where it cannot be removed, until it can', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('bob', 'secret');
    await alice.sees('secret', 'stored');
    const second = await alice.openTab();
    await second.untilStatus('online as alice');
    const dialog = alice.page.getByRole('dialog');
    const refuse = (method: string) =>
      alice.page.evaluate(`
      ${method} = function () { throw new DOMException('it refuses', 'UnknownError'); };
    `);
    const removes = async () => {
      await alice.button('Remove it and sign out').click();
      await dialog.filter({ hasText: 'something that was said as alice may still be in this browser' }).waitFor();
    };
    await alice.page.evaluate('window.was = [IDBObjectStore.prototype.clear, IDBFactory.prototype.deleteDatabase]');
    await refuse('IDBObjectStore.prototype.clear');
    await alice.button('Sign out').click();
    await removes();
    await second.page.getByLabel('Your name').waitFor();
    await alice.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });

    await alice.page.evaluate('IDBObjectStore.prototype.clear = was[0]');
    await refuse('IDBFactory.prototype.deleteDatabase');
    await alice.button('Sign out').click();
    await removes();
    await alice.page.evaluate('IDBFactory.prototype.deleteDatabase = was[1]');
    await alice.button('Remove it and sign out').click();
    await alice.page.getByLabel('Your name').waitFor();
    const rows = await alice.page.evaluate<number>(`(async () => {
      const of = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      let rows = 0;
      for (const { name } of await indexedDB.databases()) {
        const db = await of(indexedDB.open(name));
        for (const store of db.objectStoreNames) rows += await of(db.transaction(store).objectStore(store).count());
        db.close();
      }
      return rows;
    })()`);
    expect(rows).toBe(0);
  });

  it('is said to be left while somebody holds on to it, as a tab does that hangs', async () => {
    const alice = await stage.arrive('alice');
    await alice.page.evaluate(`(async () => {
      const { name } = (await indexedDB.databases()).find(({ name }) => name.startsWith('page-log:'));
      window.held = await new Promise((resolve, reject) => {
        const request = indexedDB.open(name);
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    })()`);
    await alice.button('Sign out').click();
    await alice.button('Remove it and sign out').click();
    await alice.page.getByRole('dialog').filter({ hasText: 'may still be in this browser' }).waitFor();
    await alice.page.evaluate('held.close()');
    await alice.button('Remove it and sign out').click();
    await alice.page.getByLabel('Your name').waitFor();
  });

  it('is not shown to the next user of the same browser', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('bob', 'secret');
    await alice.sees('secret', 'stored');
    await alice.button('Sign out').click();
    await alice.button('Keep it and leave').click();
    await alice.page.getByLabel('Your name').fill('carol');
    await alice.button('Connect').click();
    await alice.untilStatus('online as carol');
    await eventually(async () => (await alice.page.locator('.person').count()) === 1); // Everyone.
  });

  it('is shown, and said not to be kept, where the browser keeps nothing', async () => {
    const alice = await stage.open('alice');
    await alice.page.addInitScript(
      `indexedDB.open = () => { throw new DOMException('no room', 'QuotaExceededError'); };`,
    );
    await alice.page.goto(stage.site.origin);
    await alice.connect();
    await alice.write('alice', 'note to self');
    await alice.sees('note to self', 'delivered');
    await alice.page.getByRole('alert').filter({ hasText: 'This browser keeps nothing for this page' }).waitFor();
    expect(await alice.contents()).toEqual(['note to self']);
  });

  it('is read out to screen readers, and in one sentence when it is much', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.arrive('bob');
    const spoken = bob.page.locator('#spoken');
    await alice.write('bob', 'hello');
    await spoken.filter({ hasText: 'alice: hello' }).waitFor();
    await bob.disconnect();
    for (let number = 1; number <= 12; number += 1) await alice.write('bob', `line ${number}`);
    await alice.sees('line 12', 'stored');
    await bob.button('Connect').click();
    await spoken.filter({ hasText: /^1[23] new messages$/ }).waitFor();
    expect(await spoken.getAttribute('aria-live')).toBe('polite');
  });
});

import { describeInChromium } from './stage.js';

describeInChromium('the frames on the chat page', (stage) => {
  it('are shown as they go over the wire, both ways, with time and size', async () => {
    const alice = await stage.arrive('alice');
    await alice.button('Frames').click();
    const rows = alice.page.locator('.frame');
    await rows
      .filter({ hasText: /received · \d\d:\d\d:\d\d\.\d{3} · \d+ B/ })
      .filter({ hasText: '"event":"welcome"' })
      .waitFor();
    await alice.write('alice', 'note to self');
    await rows
      .filter({ hasText: 'sent ·' })
      .filter({ hasText: '{"event":"send","data":{"to":"alice","content":"note to self"' })
      .waitFor();
    await rows.filter({ hasText: 'received' }).filter({ hasText: '"event":"receipts"' }).waitFor();
    await alice.button('Pause').click();
    await alice.write('alice', 'unseen');
    await alice.sees('unseen', 'delivered');
    expect(await rows.filter({ hasText: 'unseen' }).count()).toBe(0);
    await alice.button('Go on').click();
    await alice.button('Empty').click();
    await alice.page.getByText('No frames yet.').waitFor();
  });

  it('are the newest 500', async () => {
    const alice = await stage.open('alice');
    await alice.page.routeWebSocket(/\/chat\?/, (route) => {
      route.connectToServer();
      for (let number = 1; number <= 510; number += 1)
        route.send(JSON.stringify({ event: 'unknown', data: { number } }));
    });
    await alice.page.goto(stage.site.origin);
    await alice.connect();
    await alice.untilStatus('online as alice');
    await alice.button('Frames').click();
    await alice.page.locator('.frame').filter({ hasText: '"event":"welcome"' }).waitFor();
    expect(await alice.page.locator('.frame').count()).toBe(500);
    expect(await alice.page.locator('.frame').filter({ hasText: '{"number":1}' }).count()).toBe(0);
  });

  it('are in the tab that has the connection, and the others say which one that is', async () => {
    const alice = await stage.arrive('alice');
    const second = await alice.openTab();
    await second.untilStatus('online as alice');
    await second.button('Frames').click();
    await second.page
      .getByText(/Another tab has the connection, and shows the frames: “Holdfast”, opened at \d\d:\d\d\./)
      .waitFor();
    await alice.page.close();
    await second.page.locator('.frame').filter({ hasText: '"event":"welcome"' }).waitFor();
    expect(await second.page.locator('#frames-note').isVisible()).toBe(false);
  });
});

import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeInChromium } from './stage.js';

describeInChromium('the smallest page there is', (stage) => {
  it('shows a live message as it is, and a delayed one after its time', async () => {
    const file = pathToFileURL(fileURLToPath(new URL('bare-client.html', import.meta.url))).href;
    const arriveBare = async (name: string) => {
      const { page } = await stage.open(name);
      await page.goto(`${file}#127.0.0.1:${stage.site.port}`);
      await page.locator('#user').fill(name);
      await page.locator('#connect').click();
      await page.getByText('(connected)').waitFor();
      return page;
    };
    const alice = await arriveBare('alice');
    const send = async (content: string) => {
      await alice.locator('#to').fill('bob');
      await alice.locator('#content').fill(content);
      await alice.locator('#send').click();
    };
    let bob = await arriveBare('bob');
    await send('live: ps | grep x');
    await bob.getByText('live: ps | grep x', { exact: true }).waitFor();
    await bob.locator('#close').click();
    await bob.getByText('(closed)').waitFor();
    await send('while you were away');
    bob = await arriveBare('bob');
    const late = bob.getByText(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z:while you were away$/);
    await late.waitFor();
    expect(await bob.locator('#shown p').count()).toBe(2);
  });
});

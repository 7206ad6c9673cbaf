import { ChatModule, ChatService } from '../../../src/index.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { HostApp } from '../../support/host-app.js';
import { eventually } from '../../support/deadline.js';

/** More than the 10 listeners of one event of which Node warns. */
const TIMES = 30;

/** What keeps the process busy, counted by its kind. */
function handles(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

async function talk(): Promise<void> {
  const host = await HostApp.start({ imports: [ChatModule.forRoot(IN_MEMORY)] });
  try {
    const bob = await host.connect('bob');
    await host.app.get(ChatService, { strict: false }).send({ from: 'alice', to: 'bob', content: 'hello' });
    expect(await bob.next()).toBe('hello');
  } finally {
    await host.close();
  }
}

describe('an application that is started and closed again and again', () => {
  it(`leaves no handle, no listener and no warning after ${TIMES} times`, async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error) => void warnings.push(`${warning.name}: ${warning.message}`);
    // What is opened once for the process is open after the first.
    await talk();
    const before = handles();
    const listeners = () => process.eventNames().map((name) => [name, process.listenerCount(name)]);
    process.on('warning', onWarning);
    const listening = listeners();
    try {
      for (let i = 0; i < TIMES; i += 1) await talk();
      // The sockets of the test itself need a turn to be gone.
      const left = () => Object.entries(handles()).filter(([kind, count]) => count > (before[kind] ?? 0));
      await eventually(
        () => left().length === 0,
        () => `only ${JSON.stringify(before)} is left; there is ${JSON.stringify(handles())}`,
      );
      expect(listeners()).toEqual(listening);
      expect(warnings).toEqual([]);
    } finally {
      process.off('warning', onWarning);
    }
  });
});

import { Logger } from '@nestjs/common';
import { FakeSocket } from '../../test/support/fake-socket.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { Connection } from '../connections/connection.js';
import { ConnectionService } from '../connections/connection.service.js';
import type { Delivery } from '../delivery/delivery.js';
import { resolveChatOptions } from '../options/chat.options.js';
import type { SendRequest } from '../protocol/send-request.js';
import { Policy } from './policy.js';
import { SendQueue } from './send-queue.js';

it.each([
  ['json', true],
  ['text', false],
] as const)('a send queue is told receipts where its protocol has any: %s %p', (protocol, awaitsReceipt) => {
  const options = resolveChatOptions({ clock: new ManualClock() });
  const context = { options, delivery: {} as Delivery, policy: null, quota: null, logger: new Logger('test') };
  expect(new SendQueue({ protocol } as Connection, context).awaitsReceipt).toBe(awaitsReceipt);
});

describe('a send queue whose policy has yet to decide', () => {
  it.each([
    ['hands over what is allowed, in order', false, ['one', 'two']],
    ['hands over nothing that is allowed after its connection was revoked', true, []],
  ])('%s', async (_what, isRevoked, expected) => {
    const options = resolveChatOptions({ clock: new ManualClock() });
    const connections = new ConnectionService(options);
    const { connection } = FakeSocket.open(connections, 'alice');
    const sent: string[] = [];
    const delivery = { isFull: false, send: ({ content }: SendRequest) => sent.push(content) };
    let decide: (isAllowed: boolean) => void = () => undefined;
    const policy = new Policy(() => new Promise((resolve) => (decide = resolve)), options);
    const queue = new SendQueue(connection, {
      options,
      delivery: delivery as unknown as Delivery,
      policy,
      quota: null,
      logger: new Logger('test'),
    });
    for (const content of ['one', 'two']) queue.push({ from: 'alice', to: 'bob', content });
    if (isRevoked) connection.revoke(4403, '');
    const flushed = queue.flush();
    for (let n = 0; n < 2; n += 1) {
      decide(true);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await flushed;
    expect(sent).toEqual(expected);
    connections.onModuleDestroy();
  });
});

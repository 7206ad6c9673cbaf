import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { FakeSocket } from '../../test/support/fake-socket.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { resolveChatOptions } from '../options/chat.options.js';
import { ConnectionService } from './connection.service.js';

describe('ConnectionService', () => {
  it('tells every listener of a connection that comes and goes, in their order, though one of them throws', () => {
    const log = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const connections = new ConnectionService(resolveChatOptions({ clock: new ManualClock() }));
    const heard: string[] = [];
    connections.connected.on(() => {
      throw new Error('a listener that fails');
    });
    for (const name of ['first', 'second']) {
      connections.connected.on(({ user }) => heard.push(`${name}: ${user} came`));
      connections.disconnected.on(({ user }) => {
        heard.push(`${name}: ${user} left ${connections.ofUser(user).length}`);
      });
    }
    const { connection } = FakeSocket.open(connections, 'bob');
    connections.remove(connection);
    connections.remove(connection);
    connections.onModuleDestroy();
    expect(heard).toEqual(['first: bob came', 'second: bob came', 'first: bob left 0', 'second: bob left 0']);
    expect(log).toHaveBeenCalledTimes(1);
    log.mockRestore();
  });

  it('closes the open connections of one user with 4403, and says how many', () => {
    const connections = new ConnectionService(resolveChatOptions({ clock: new ManualClock() }));
    const [first, second, other] = ['bob', 'bob', 'alice'].map((user) => FakeSocket.open(connections, user));
    first!.socket.close(1000);
    expect(connections.disconnect('bob', 'bye')).toBe(1);
    expect([second!.socket.closeCode, other!.socket.closeCode]).toEqual([4403, null]);
    expect([connections.closedWith(4403), connections.closedWith(1000)]).toEqual([1, 0]);
    connections.onModuleDestroy();
  });
});

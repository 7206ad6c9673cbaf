import type { IncomingMessage } from 'node:http';
import { Nodes } from '../nodes/nodes.js';
import { resolveChatOptions } from '../options/chat.options.js';
import { resolveAuthenticationOptions, type AuthenticationOptions } from './authentication.options.js';
import { AuthenticationService } from './authentication.service.js';
import { Tickets } from './tickets.js';

function serviceWith(options: Partial<AuthenticationOptions>): AuthenticationService {
  const chat = resolveChatOptions();
  return new AuthenticationService(resolveAuthenticationOptions(options), chat, new Tickets(chat, new Nodes()));
}

const requestAt = (localAddress: string | undefined, headers = {}) =>
  ({ url: '/chat?user=alice', headers, socket: { localAddress } }) as unknown as IncomingMessage;

const FORBIDDEN = { statusCode: 403, code: 'FORBIDDEN' };

describe('without authentication', () => {
  it.each(['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1', undefined])(
    'whoever comes by loopback is served: %s',
    async (address) => {
      const service = serviceWith({});
      expect(await service.authenticate(requestAt(address))).toEqual({ user: 'alice' });
      expect(await service.identify(requestAt(address))).toMatchObject({ isAdmin: true });
    },
  );

  it.each(['192.168.1.5', '0.0.0.0', '::', '::ffff:10.0.0.1', '1127.0.0.1', '::12', 'fe80::1'])(
    'nobody is who comes by %s, whatever the application listens on',
    async (address) => {
      const service = serviceWith({});
      await expect(service.authenticate(requestAt(address))).rejects.toMatchObject(FORBIDDEN);
      await expect(service.identify(requestAt(address))).rejects.toMatchObject(FORBIDDEN);
    },
  );

  it('everybody is where that was asked for', async () => {
    const service = serviceWith({ insecure: true });
    expect(await service.authenticate(requestAt('192.168.1.5'))).toEqual({ user: 'alice' });
    expect(await service.identify(requestAt('192.168.1.5'))).toMatchObject({ isAdmin: true });
  });

  it('an administrator is served by any address', async () => {
    const adminToken = 'x'.repeat(16);
    const request = requestAt('192.168.1.5', { authorization: `Bearer ${adminToken}` });
    expect(await serviceWith({ adminToken }).identify(request)).toMatchObject({ isAdmin: true });
  });
});

describe('the options of authentication', () => {
  it.each([
    ['authenticate', 'jwt', 'is not a function'],
    ['authenticate', null, 'is not a function'],
    ['adminToken', 'secret', 'is too short, or has other characters than visible ASCII'],
    ['adminToken', 1_234_567_890_123_456, 'is too short, or has other characters than visible ASCII'],
    ['insecure', 'yes', 'is not a boolean'],
  ])('stop the start when %s is %j, without repeating it', (option, value, problem) => {
    expect(() => resolveAuthenticationOptions({ [option]: value })).toThrow(
      `ChatModule option ${option} ${problem}; give `,
    );
  });
});

import { Logger, type INestApplicationContext } from '@nestjs/common';
import { ModulesContainer, Reflector } from '@nestjs/core';
import { CloseCode } from '../protocol/close-code.js';

/** Marks the options of the chat's own gateway. */
export const OF_CHAT = Symbol('holdfast:of-chat');

/** The metadata keys of `@WebSocketGateway` in Nest 11 and 12, which Nest does not export. */
const IS_GATEWAY = 'websockets:is_gateway';
const OPTIONS = 'websockets:gateway_options';
const PORT = 'port';

const HOOKS = ['handleConnection', 'handleDisconnect'] as const;

type Hook = (client: Client, ...rest: unknown[]) => unknown;
type Gateway = Partial<Record<(typeof HOOKS)[number], Hook>>;

/** A socket of `ws`, or of Socket.IO. */
interface Client {
  close?(code: number, reason: string): void;
  disconnect?(): void;
}

const logger = new Logger('ChatWsAdapter');
const guarded = new WeakSet<Gateway>();
const openings = new WeakMap<object, Promise<boolean>>();

/** Resolves when the hooks of the gateways are done with a new client: to false if one of them failed. */
export async function isOpened(client: object): Promise<boolean> {
  return openings.get(client) ?? true;
}

/**
 * Guards the `handleConnection` and `handleDisconnect` of all gateways, so that a failure closes only one connection.
 * Nest 11 and 12 call them through rxjs, where a hook that throws or rejects would end the process. Has to be called
 * before Nest binds the hooks.
 *
 * Throws an Error if another gateway is at the path of the chat. Nest would give both the same server, and the clients
 * of the chat would get the replies of the other.
 */
export function guardGateways(app: INestApplicationContext): void {
  const reflector = new Reflector();
  const byPath = new Map<string, { name: string; ofChat: boolean }>();
  for (const { providers } of app.get(ModulesContainer, { strict: false }).values()) {
    for (const wrapper of providers.values()) {
      const type = wrapper.metatype as { name: string; prototype: Gateway } | null;
      if (!type || wrapper.isNotMetatype || !reflector.get<boolean>(IS_GATEWAY, type as never)) continue;
      const options = reflector.get<{ path?: string; [OF_CHAT]?: true }>(OPTIONS, type as never);
      if (options.path !== undefined) {
        const gateway = { name: type.name, ofChat: OF_CHAT in options };
        const path = `${reflector.get<number>(PORT, type as never)}${normalPath(options.path)}`;
        const other = byPath.get(path);
        if (other && (other.ofChat || gateway.ofChat)) throw atOnePath(options.path, other.name, gateway.name);
        byPath.set(path, gateway);
      }
      // A request-scoped gateway has no instance yet, only its prototype.
      guard(wrapper.isDependencyTreeStatic() ? (wrapper.instance as Gateway) : type.prototype, type.name);
    }
  }
}

/** Returns a path as Nest compares it: with a slash in front and none at the end. */
export function normalPath(path: string): string {
  return `/${path.split('/').filter(Boolean).join('/')}`;
}

function atOnePath(path: string, ...names: string[]): Error {
  return new Error(
    `Two gateways are at ${path}, the path of the chat: ${names.join(' and ')}. Give one of them another path, the chat with ChatModule.forRoot({ path: '/...' }).`,
  );
}

function guard(gateway: Gateway, name: string): void {
  if (guarded.has(gateway)) return;
  guarded.add(gateway);
  for (const hook of HOOKS) {
    const original = gateway[hook];
    if (typeof original !== 'function') continue;
    const guardedHook = guardHook(original, hook, `${name}.${hook}`);
    // A frozen instance can't be changed, but its class can.
    if (!define(gateway, hook, guardedHook)) define(Object.getPrototypeOf(gateway) as object, hook, guardedHook);
  }
}

/** Sets a property. It also replaces a getter, which an assignment would not. */
function define(target: object, hook: string, value: Hook): boolean {
  return Reflect.defineProperty(target, hook, { value, writable: true, configurable: true });
}

function guardHook(original: Hook, hook: string, name: string): Hook {
  return function (this: unknown, client, ...rest) {
    const fail = (error: unknown): false => {
      logger.error(`${name} failed, so its client is closed: ${String(error)}`, (error as Error | null)?.stack);
      if (client.disconnect) client.disconnect();
      else client.close?.(CloseCode.SERVER_ERROR, 'the server failed; reconnect later');
      return false;
    };
    let opening: Promise<boolean>;
    try {
      const outcome = original.call(this, client, ...rest);
      if (typeof (outcome as PromiseLike<unknown> | undefined)?.then !== 'function') return outcome;
      opening = Promise.resolve(outcome).then(() => true, fail);
    } catch (error) {
      opening = Promise.resolve(fail(error));
    }
    if (hook === 'handleConnection') {
      const others = openings.get(client) ?? true; // The hooks of other gateways at the same path.
      openings.set(
        client,
        Promise.all([others, opening]).then((opened) => !opened.includes(false)),
      );
    }
    return opening;
  };
}

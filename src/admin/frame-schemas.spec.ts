import type { z } from 'zod';
import { flawOf } from '../../test/support/frame-checks.js';
import type { ClientEvents, ServerEvents } from '../protocol/wire.js';
import { CLIENT_DATA, SERVER_DATA } from './frame-schemas.js';

type Writable<T> = T extends readonly (infer Item)[]
  ? Writable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Writable<T[Key]> }
    : T;

type IsSame<One, Other> =
  (<T>() => T extends Writable<One> ? 1 : 2) extends <T>() => T extends Writable<Other> ? 1 : 2 ? true : false;

/** By event, whether the schema stands for exactly the type. */
type Sameness<Data extends Record<keyof Events, z.ZodType>, Events> = {
  [Event in keyof Events]: IsSame<z.infer<Data[Event]>, Events[Event]>;
};

const CLIENT: Sameness<typeof CLIENT_DATA, ClientEvents> = {
  send: true,
  broadcast: true,
  signal: true,
  ack: true,
  ping: true,
  renew: true,
  history: true,
  sync: true,
  conversations: true,
  read: true,
};

const SERVER: Sameness<typeof SERVER_DATA, ServerEvents> = {
  welcome: true,
  message: true,
  signal: true,
  receipts: true,
  endings: true,
  'caught-up': true,
  pong: true,
  renewed: true,
  exception: true,
  history: true,
  sync: true,
  conversations: true,
  mark: true,
};

describe('the schemas of the frames', () => {
  it('are those of every event of the protocol, with its types, which the compiler compares', () => {
    expect(Object.keys(CLIENT_DATA)).toEqual(Object.keys(CLIENT));
    expect(Object.keys(SERVER_DATA)).toEqual(Object.keys(SERVER));
  });

  it.each(['{"event":"pong","data":{}}', '{"event":"renewed","data":{"expiresAt":null}}'])(
    'are kept by a frame of the protocol: %s',
    (frame) => {
      expect(flawOf(frame)).toBeNull();
    },
  );

  it.each([
    ['{"event":"pong","data":{"more":1}}', 'data must NOT have additional properties'],
    ['{"event":"pong"}', "must have required property 'data'"],
    ['{"event":"renewed","data":{"expiresAt":"tomorrow"}}', 'must match format'],
    ['{"event":"endings","data":[{"id":"m","to":"bob","end":"lost"}]}', 'must be equal to one of the allowed values'],
    ['{"event":"endings","data":[{"id":"m m","to":"bob","end":"expired"}]}', 'must match pattern'],
    ['{"event":"letter","data":{}}', 'no such event'],
  ])('find what is not a frame of the protocol: %s', (frame, flaw) => {
    expect(flawOf(frame)).toContain(flaw);
  });
});

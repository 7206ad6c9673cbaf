import { z } from 'zod';
import { CLIENT_DATA, SERVER_DATA } from './frame-schemas.js';

/** What the AsyncAPI document says beside the frames. */
export interface SocketDescription {
  /** @default 'Holdfast' */
  readonly title?: string;
  /** The version of the application. @default '1.0.0' */
  readonly version?: string;
  /** The path of the socket. @default '/chat' */
  readonly path?: string;
}

/** An AsyncAPI document, of version 3.0. It is plain JSON. */
export interface AsyncApiDocument {
  readonly asyncapi: string;
  readonly info: object;
  readonly defaultContentType: string;
  readonly channels: object;
  readonly operations: object;
  readonly components: {
    /** The frames of both directions, by event; `payload` is a JSON Schema (draft 7). */
    readonly messages: Readonly<Record<string, { readonly payload: Readonly<Record<string, unknown>> }>>;
  };
}

type ClientEvent = keyof typeof CLIENT_DATA;
type ServerEvent = keyof typeof SERVER_DATA;

/** The name of a frame of a client in the document: a server may send an event of the same name. */
const nameOf = (event: ClientEvent) => (event in SERVER_DATA ? `client-${event}` : event);

/** The frames with which the server replies to each frame. */
const REPLIES: Readonly<Record<ClientEvent, readonly ServerEvent[]>> = {
  send: ['receipts', 'exception'],
  broadcast: ['receipts', 'exception'],
  signal: ['exception'],
  ack: ['exception'],
  ping: ['pong'],
  renew: ['renewed', 'exception'],
  history: ['history', 'exception'],
  sync: ['sync', 'exception'],
  conversations: ['conversations', 'exception'],
  read: ['exception'],
};

const DESCRIPTION =
  'The socket of the chat, in the subprotocol `chat.v1.json`. Each frame is `{ "event": …, "data": … }`. A client ' +
  'ignores events and fields that it does not know. The text protocol of the same socket is not described here.';

/** The handshake, as the bindings of WebSockets describe it. */
const HANDSHAKE = {
  method: 'GET',
  query: {
    type: 'object',
    properties: {
      user: { type: 'string', description: 'Who connects; may be left out when the credentials say it.' },
      ticket: { type: 'string', description: 'A one-time ticket, for clients that cannot set a header.' },
    },
  },
  headers: {
    type: 'object',
    properties: {
      Authorization: { type: 'string', description: '`Bearer TOKEN`. A page offers the subprotocol `bearer.TOKEN`.' },
      'Sec-WebSocket-Protocol': { type: 'string', description: '`chat.v1.json`, with others if need be.' },
    },
  },
  bindingVersion: '0.1.0',
};

/**
 * Describes the socket as an AsyncAPI document, for generators of clients and for readers. `holdfast/openapi` has it for
 * applications that want to serve it beside their OpenAPI document.
 */
export function describeSocket(description: SocketDescription = {}): AsyncApiDocument {
  const { title = 'Holdfast', version = '1.0.0', path = '/chat' } = description;
  const clientEvents = Object.keys(CLIENT_DATA) as ClientEvent[];
  const serverEvents = Object.keys(SERVER_DATA) as ServerEvent[];
  const messages = Object.fromEntries([
    ...clientEvents.map((event) => [nameOf(event), messageOf(event, CLIENT_DATA[event])] as const),
    ...serverEvents.map((event) => [event, messageOf(event, SERVER_DATA[event])] as const),
  ]);
  return {
    asyncapi: '3.0.0',
    info: { title, version, description: DESCRIPTION },
    defaultContentType: 'application/json',
    channels: {
      chat: {
        address: path,
        messages: byName(Object.keys(messages), (name) => ref('components', 'messages', name)),
        bindings: { ws: HANDSHAKE },
      },
    },
    operations: {
      ...Object.fromEntries(clientEvents.map((event) => [nameOf(event), reception(event)])),
      ...byName(serverEvents, (event) => operation('send', event)),
    },
    components: { messages },
  };
}

function messageOf(event: string, data: z.ZodType) {
  return { name: event, summary: data.description, payload: payloadOf(event, data) };
}

function payloadOf(event: string, data: z.ZodType): Record<string, unknown> {
  const frame = z.object({ event: z.literal(event), data });
  const { $schema: _dialect, ...schema } = z.toJSONSchema(frame, { target: 'draft-07', io: 'input' });
  return schema;
}

const CHANNEL = ref('channels', 'chat');

/** One side of the socket; the document speaks for the server, which `receive`s and `send`s. */
function operation(action: 'receive' | 'send', name: string): object {
  return { action, channel: CHANNEL, messages: [inChannel(name)] };
}

function reception(event: ClientEvent): object {
  const reply = { channel: CHANNEL, messages: REPLIES[event].map(inChannel) };
  return { ...operation('receive', nameOf(event)), reply };
}

function inChannel(event: string): object {
  return ref('channels', 'chat', 'messages', event);
}

function ref(...parts: readonly string[]): object {
  return { $ref: `#/${parts.join('/')}` };
}

function byName(names: readonly string[], valueOf: (name: string) => object): object {
  return Object.fromEntries(names.map((name) => [name, valueOf(name)]));
}

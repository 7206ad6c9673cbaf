import * as dialects from './dialects.js';
import type { FrameTemplate } from './frame-template.js';
import type { Link, LinkEvents } from './link.js';
import { MqttLink, mqttTemplate } from './mqtt-link.js';
import { WsLink, wsTemplate } from './ws-link.js';
import type { Dialect } from './dialect.js';

/** How the clients of one server speak. */
export interface Language {
  /** A sender is told that its message was taken. */
  readonly acknowledges: boolean;
  connect(port: number, user: string, events: LinkEvents): Link;
  direct(to: string, content: string): FrameTemplate;
  broadcast(content: string): FrameTemplate;
}

export type LanguageName = 'text' | 'holdfast-json' | 'json-acks' | 'nest' | 'socket-io' | 'mqtt';

export const LANGUAGES: Readonly<Record<LanguageName, Language>> = {
  text: webSocket(dialects.text),
  'holdfast-json': webSocket(dialects.holdfastJson),
  'json-acks': webSocket(dialects.jsonAcks),
  nest: webSocket(dialects.nest),
  'socket-io': webSocket(dialects.socketIo),
  mqtt: {
    acknowledges: true,
    connect: (port, user, events) => new MqttLink(port, user, events, user.startsWith('o')),
    direct: mqttTemplate,
    broadcast: (content) => mqttTemplate(null, content),
  },
};

function webSocket(dialect: Dialect): Language {
  return {
    acknowledges: dialect.acknowledges,
    connect: (port, user, events) => new WsLink(port, user, events, dialect),
    direct: (to, content) => wsTemplate(dialect.direct(to, content)),
    broadcast: (content) => wsTemplate(dialect.broadcast(content)),
  };
}

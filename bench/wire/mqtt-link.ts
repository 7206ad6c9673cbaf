import { FrameTemplate, MARK, seqAt, timeAt } from './frame-template.js';
import { Link, type LinkEvents } from './link.js';

const CONNECT = 0x10;
const CONNACK = 2;
const PUBLISH = 3;
const PUBLISH_QOS1 = 0x32;
const PUBACK = 4;
const SUBSCRIBE = 0x82;
const SUBACK = 9;
/** The session outlives the connection, so that messages wait for it. Therefore the flag `clean session` is not set. */
const KEEP_SESSION = 0x00;
const CLEAN_SESSION = 0x02;

const topicOf = (user: string) => `u/${user}`;
const ALL = 'all';

/** A publication with QoS 1 to one user, or to all. */
export function mqttTemplate(to: string | null, content: string): FrameTemplate {
  const topic = text(to === null ? ALL : topicOf(to));
  const body = [topic, Buffer.alloc(2), Buffer.from(content)];
  const frame = packet(PUBLISH_QOS1, ...body);
  return new FrameTemplate(frame, 0, frame.length - Buffer.byteLength(content) - 2);
}

/** An MQTT 3.1.1 client that is subscribed to its own topic with QoS 1 and to the one for all with QoS 0. */
export class MqttLink extends Link {
  constructor(
    port: number,
    user: string,
    events: LinkEvents,
    private readonly keepsSession: boolean,
  ) {
    super(port, user, events);
  }

  protected onConnected(): void {
    const flags = this.keepsSession ? KEEP_SESSION : CLEAN_SESSION;
    this.write(packet(CONNECT, text('MQTT'), Buffer.from([4, flags, 0, 0]), text(this.user)));
  }

  protected take(bytes: Buffer, at: number, end: number): number {
    let length = 0;
    let start = at + 1;
    for (let shift = 0; ; shift += 7) {
      if (start >= end) return -1;
      const byte = bytes[start++]!;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (end - start < length) return -1;
    this.packet(bytes[at]!, bytes, start, start + length);
    return start + length;
  }

  private packet(first: number, bytes: Buffer, start: number, end: number): void {
    const type = first >> 4;
    if (type === PUBLISH) {
      const id = start + 2 + bytes.readUInt16BE(start);
      const mark = bytes.indexOf(MARK, id);
      if (mark < 0 || mark >= end) return this.fail('a publication that the benchmark did not make');
      if ((first & 6) === 2) this.reply(packet(PUBACK << 4, bytes.subarray(id, id + 2)));
      this.delivered(seqAt(bytes, mark), timeAt(bytes, mark));
    } else if (type === PUBACK) this.events.onAck(this, bytes.readUInt16BE(start) - 1);
    else if (type === SUBACK) this.events.onReady(this);
    else if (type === CONNACK && bytes[start + 1] === 0) this.subscribe();
    else this.fail(`a packet of type ${type}${type === CONNACK ? `, refused with ${bytes[start + 1]}` : ''}`);
  }

  private subscribe(): void {
    const qos = (level: number) => Buffer.from([level]);
    this.write(packet(SUBSCRIBE, Buffer.from([0, 1]), text(topicOf(this.user)), qos(1), text(ALL), qos(0)));
  }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function packet(first: number, ...parts: Buffer[]): Buffer {
  let left = parts.reduce((sum, part) => sum + part.length, 0);
  const head = [first];
  do {
    head.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>= 7;
  } while (left > 0);
  return Buffer.concat([Buffer.from(head), ...parts]);
}

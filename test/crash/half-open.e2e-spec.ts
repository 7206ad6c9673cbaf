import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloseCode } from '../../src/protocol/close-code.js';
import { connectReader, ReaderProcess, type Protocol } from '../support/crash-reader.js';
import { balancedTotals, connectionsOf, pendingOf } from '../support/crash-server.js';
import { eventually } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { SwallowingProxy } from '../support/swallowing-proxy.js';
import type { Direction } from '../support/tcp-relay.js';
import { TestClient } from '../support/test-client.js';

/** The heartbeat finds a silence after two to four seconds, which is long after `persistAfterMs`. */
const HEARTBEAT_MS = 2_000;
const PERSIST_AFTER_MS = 250;
/** Header, mask and nonce of a client's answer to a ping; a ping has four less. */
const PONG_BYTES = 22;
const FIRST = 'is anybody there?';
const REST = ['one', 'two', 'three'];

/** A recipient whose connection lives until it falls silent. */
interface Victim {
  /** The close code of its connection, if it can read that. */
  readonly closeCode: Promise<number> | null;
  fallSilent(): Promise<void>;
  /** Frames that came to it. */
  frames(): readonly string[];
  end(): Promise<void>;
}

interface Case {
  readonly protocol: Protocol;
  readonly name: string;
  readonly make: (url: string, protocol: Protocol) => Promise<Victim>;
  /** The victim still gets the first message after the silence. Only its confirmation does not come back. */
  readonly firstArrives: boolean;
}

/** The observations of one case. */
interface Outcome {
  /** The receipts of the sender, in order. */
  readonly told: readonly string[];
  /** The sender had its first receipt while the recipient counted as connected. */
  readonly wasThereWhenTold: boolean;
  readonly firstArrived: boolean;
  readonly closeCode: number | null;
  /** The messages of the next connection. */
  readonly cameAgain: readonly string[];
}

const stopsReading = (protocol: Protocol): Case => ({
  protocol,
  name: 'stops reading',
  make: paused,
  firstArrives: false,
});
const isStopped = (protocol: Protocol): Case => ({
  protocol,
  name: 'has its process stopped',
  make: frozen,
  firstArrives: false,
});
const isUnheard = (protocol: Protocol, bytes: number): Case => ({
  protocol,
  name: `is not heard after ${bytes} more bytes`,
  make: behindProxy('toServer', bytes),
  firstArrives: true,
});
const isUnreached = (protocol: Protocol, bytes: number, firstArrives: boolean): Case => ({
  protocol,
  name: `is not reached after ${bytes} more bytes`,
  make: behindProxy('toClient', bytes),
  firstArrives,
});

/** A text message has two bytes of head; the ping follows it. */
const FIRST_FRAME_BYTES = FIRST.length + 2;
const CASES: readonly Case[] = [
  stopsReading('text'),
  isStopped('text'),
  ...[0, 1, PONG_BYTES - 1].map((bytes) => isUnheard('text', bytes)),
  ...[0, 1, FIRST_FRAME_BYTES - 1].map((bytes) => isUnreached('text', bytes, false)),
  ...[FIRST_FRAME_BYTES, FIRST_FRAME_BYTES + PONG_BYTES - 5].map((bytes) => isUnreached('text', bytes, true)),
  stopsReading('json'),
  isStopped('json'),
  // An acknowledgement has 38 bytes.
  ...[0, 1, 37].map((bytes) => isUnheard('json', bytes)),
  ...[0, 1, 100].map((bytes) => isUnreached('json', bytes, false)),
];

describe('a recipient that is half open', () => {
  let folder: string;
  let server: ServerProcess;
  let outcomes: Map<Case, Promise<Outcome>>;

  // All run at once, each with its own sender: most of the time is spent waiting for a heartbeat.
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-half-open-'));
    server = await ServerProcess.start({
      DATABASE_URL: `sqlite:${join(folder, 'holdfast.sqlite')}`,
      CHAT_HEARTBEAT_MS: String(HEARTBEAT_MS),
      CHAT_PERSIST_AFTER_MS: String(PERSIST_AFTER_MS),
    });
    outcomes = new Map(CASES.map((each) => [each, new Trial(server, each.protocol).endure(each.make)]));
    await Promise.allSettled(outcomes.values());
  });
  afterAll(async () => {
    await server?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(CASES.map((each) => [each.protocol, each.name, each] as const))(
    'in %s that %s counts as having nothing, and gets everything when it comes again',
    async (_protocol, _name, each) => {
      const outcome = await outcomes.get(each)!;
      expect(outcome.told).toEqual([FIRST, ...REST].map(() => 'stored'));
      expect(outcome.wasThereWhenTold).toBe(true);
      expect(outcome.cameAgain).toEqual([FIRST, ...REST]);
      expect(outcome.firstArrived).toBe(each.firstArrives);
      if (outcome.closeCode !== null) expect(outcome.closeCode).toBe(CloseCode.NO_PONG);
    },
  );

  it('leaves a ledger that balances, and nothing behind', async () => {
    const { accepted, confirmed } = await balancedTotals(server);
    expect(confirmed).toBe(accepted);
    expect(accepted).toBeGreaterThanOrEqual(CASES.length * (2 + REST.length));
  });

  it.each(
    (['text', 'json'] as const).flatMap((protocol) => [
      [protocol, 'reads', paused] as const,
      [protocol, 'has its process running', frozen] as const,
      [protocol, 'is behind a proxy that forwards', behindProxy('toServer', 0)] as const,
    ]),
  )('negative control: in %s that %s has everything', async (protocol, _name, make) => {
    expect(await new Trial(server, protocol).live(make)).toEqual([FIRST, ...REST].map(() => 'delivered'));
  });
});

/** A sender and a recipient of one case. */
class Trial {
  private static count = 0;
  private readonly sender = `alice-${(Trial.count += 1)}`;
  private readonly recipient = `bob-${Trial.count}`;
  private alice!: TestClient;
  private lastId = 0;

  constructor(
    private readonly server: ServerProcess,
    private readonly protocol: Protocol,
  ) {}

  /** The recipient falls silent, gets messages sent, is closed by the server, and connects anew. */
  async endure(make: Case['make']): Promise<Outcome> {
    const victim = await this.meet(make);
    try {
      await victim.fallSilent();
      const before = victim.frames().length;
      const lastBefore = this.lastId;
      const told = [await this.send(FIRST)];
      const wasThereWhenTold = (await this.connections()).length === 1;
      for (const content of REST) told.push(await this.send(content));
      await eventually(
        async () => (await this.connections()).length === 0,
        () => `the connection of ${this.recipient} is closed`,
      );
      const firstArrived = victim
        .frames()
        .slice(before)
        .some((frame) => frame.includes(FIRST));
      const closeCode = await victim.closeCode;
      const cameAgain = await this.readAgain();
      await this.untilTold(lastBefore, told.filter((status) => status === 'stored').length);
      await this.alice.expectNothingElse(this.sender); // The first receipt stands.
      this.alice.sendJson('ack', { seq: 1 });
      await this.alice.close();
      return { told, wasThereWhenTold, firstArrived, closeCode, cameAgain };
    } finally {
      await victim.end();
      await this.alice.drop();
    }
  }

  /** The same messages are sent to a recipient that stays connected. */
  async live(make: Case['make']): Promise<string[]> {
    const victim = await this.meet(make);
    try {
      const told: string[] = [];
      for (const content of [FIRST, ...REST]) told.push(await this.send(content));
      return told;
    } finally {
      await victim.end();
      await this.alice.drop();
    }
  }

  /**
   * Connects both and waits until the recipient is live, so that what follows is due to its silence alone. A message
   * that is sent while the server looks for a backlog is stored behind it, and a text client does not see when that is
   * over.
   */
  private async meet(make: Case['make']): Promise<Victim> {
    this.alice = await TestClient.open(this.urlOf(this.sender), ['chat.v1.json']);
    await this.alice.until('caught-up');
    const victim = await make(this.urlOf(this.recipient), this.protocol);
    await eventually(async () => (await this.send('are you there?')) === 'delivered');
    return victim;
  }

  /** Sends one message; returns the outcome that its sender sees. */
  private async send(content: string): Promise<string> {
    const id = `m-${(this.lastId += 1)}`;
    this.alice.sendJson('send', { to: this.recipient, content, id });
    const { data } = await this.alice.until('receipts');
    if (data.length === 1 && data[0]!.id === id) return data[0]!.status;
    throw new Error(`expected one receipt for ${id}, got ${JSON.stringify(data)}`);
  }

  /** Reads what became of so many stored messages behind the one with this number. Nothing else may come. */
  private async untilTold(lastBefore: number, count: number): Promise<void> {
    for (let told = 0; told < count;) {
      const { data } = await this.alice.nextJson('endings');
      told += data.filter(({ id, end }) => end === 'delivered' && Number(id.slice('m-'.length)) > lastBefore).length;
    }
  }

  /** Connects as the recipient, without a proxy, and reads until nothing waits; returns what came. */
  private async readAgain(): Promise<string[]> {
    const client = await TestClient.open(this.urlOf(this.recipient), this.protocol === 'text' ? [] : ['chat.v1.json']);
    const contents: string[] = [];
    if (this.protocol === 'json') await client.nextJson('welcome');
    while (contents.length <= REST.length) {
      const frame = await client.next();
      if (this.protocol === 'text') contents.push(/^\d{4}-\d\d-\d\dT[\d:.]+Z:(.*)$/.exec(frame)![1]!);
      else contents.push(JSON.parse(frame).data.content);
    }
    if (this.protocol === 'json') {
      client.sendJson('ack', { seq: contents.length });
      await client.nextJson('caught-up');
    }
    await eventually(async () => (await pendingOf(this.server, this.recipient)) === 0);
    await client.expectNothingElse(this.recipient);
    if (this.protocol === 'json') client.sendJson('ack', { seq: contents.length + 1 });
    // A text connection may be asked a moment later; what it has not confirmed when it leaves comes again.
    await eventually(async () => (await this.connections()).every(({ inFlight }) => inFlight === 0));
    await client.close();
    return contents;
  }

  private connections() {
    return connectionsOf(this.server, this.recipient);
  }

  private urlOf(user: string): string {
    return `${this.server.socketUrl}?user=${user}`;
  }
}

async function paused(url: string, protocol: Protocol): Promise<Victim> {
  const client = await connectReader(url, protocol);
  return victimOf(client, async () => client.socket.pause());
}

async function frozen(url: string, protocol: Protocol): Promise<Victim> {
  const reader = await ReaderProcess.open(url, protocol);
  return {
    closeCode: null,
    fallSilent: () => reader.freeze(),
    frames: () => reader.frames,
    end: () => reader.kill(),
  };
}

function behindProxy(direction: Direction, bytes: number): Case['make'] {
  return async (url, protocol) => {
    const proxy = await SwallowingProxy.start(url);
    const client = await connectReader(proxy.url, protocol);
    const victim = victimOf(client, async () => {
      // Just after a heartbeat: until the next one, only the message and its confirmation are on the wire.
      await once(client.socket, 'ping');
      const { toServer } = proxy.forwarded;
      await eventually(() => proxy.forwarded.toServer >= toServer + PONG_BYTES);
      proxy.swallowAfter(direction, bytes);
    });
    return {
      ...victim,
      closeCode: direction === 'toServer' ? client.closed.then(({ code }) => code) : null,
      end: async () => {
        await victim.end();
        await proxy.close();
      },
    };
  };
}

function victimOf(client: TestClient, fallSilent: () => Promise<void>): Victim {
  const frames: string[] = [];
  client.listen((frame) => frames.push(frame));
  return { closeCode: null, fallSilent, frames: () => frames, end: () => client.drop() };
}

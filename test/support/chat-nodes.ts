import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientOptions } from 'ws';
import { Delivery } from '../../src/delivery/delivery.js';
import type { ConnectionService } from '../../src/connections/connection.service.js';
import type { DeliveryService } from '../../src/delivery/delivery.service.js';
import type { LedgerTotals } from '../../src/delivery/ledger.js';
import { ChatApp, type TestOptions } from './chat-app.js';
import { untilEven } from './chat-cluster.js';
import { Random } from './crash-random.js';
import { eventually } from './deadline.js';
import { SEED } from './seed.js';
import type { TestClient } from './test-client.js';
import { busOf, databaseOf, NODES } from './test-nodes.js';

/** Chooses the node of each client. */
const random = new Random(SEED);

/** A line of the metrics: its name with labels, and its value. */
const SAMPLE = /^([^#\n].*) (\S+)$/gm;

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/**
 * Several nodes of one chat where a test asks for the application: each client and each call goes to one of them at
 * random, and what the test looks at is that of all of them.
 */
export class ChatNodes extends ChatApp {
  private nodes: ChatApp[] = [];

  static async startAll(options: TestOptions, folder?: string): Promise<ChatApp> {
    const home = folder ?? (await mkdtemp(join(tmpdir(), 'holdfast-')));
    const url = await databaseOf(home);
    const ofNode = { ...options, cluster: { redis: await busOf() } };
    // Those that join together share the slots at once, and hand none over.
    const nodes = await Promise.all(Array.from({ length: NODES }, () => ChatApp.start(ofNode, home, url)));
    const chat = new ChatNodes(nodes[0]!.app, home, options, undefined);
    chat.nodes = nodes;
    try {
      await untilEven(chat.nodes);
    } catch (error) {
      await chat.stop();
      throw error;
    }
    return chat;
  }

  private any(): ChatApp {
    return random.pick(this.nodes);
  }

  private portOf(node: ChatApp): Delivery {
    return node.app.get(Delivery);
  }

  override get port(): number {
    return this.any().port;
  }

  override get delivery(): DeliveryService {
    const { nodes } = this;
    const first = this.portOf(nodes[0]!);
    const homes = nodes.map(({ delivery }) => delivery);
    const view = {
      get totals(): LedgerTotals {
        const [one, ...others] = homes.map(({ totals }) => totals);
        const names = Object.keys(one!) as (keyof LedgerTotals)[];
        const all = names.map((name) => [name, sum([one!, ...others].map((totals) => totals[name]))]);
        return Object.fromEntries(all) as LedgerTotals;
      },
      ledger: first.ledger,
      flush: () => Promise.all(homes.map((home) => home.flush())),
      settle: () => Promise.all(nodes.map((node) => this.portOf(node).settle())),
      pendingOf: (user: string) => this.portOf(this.any()).pendingOf(user),
      send: (...given: Parameters<Delivery['send']>) => first.send(...given),
      signal: (signal: Parameters<Delivery['signal']>[0]) => this.portOf(this.any()).signal(signal),
      inFlight: (connection: Parameters<Delivery['inFlight']>[0]) =>
        sum(nodes.map((node) => this.portOf(node).inFlight(connection))),
    };
    return view as unknown as DeliveryService;
  }

  override get connections(): ConnectionService {
    const all = this.nodes.map(({ connections }) => connections);
    const view = {
      get count() {
        return sum(all.map(({ count }) => count));
      },
      ofUser: (user: string) => all.flatMap((connections) => connections.ofUser(user)),
      closedWith: (code: number) => sum(all.map((connections) => connections.closedWith(code))),
    };
    return view as unknown as ConnectionService;
  }

  /** With one server a connection is attached when it is open. */
  override async connect(user: string, options?: ClientOptions): Promise<TestClient> {
    const client = await super.connect(user, options);
    await this.untilOnline(user);
    return client;
  }

  override async untilOffline(user: string): Promise<void> {
    await super.untilOffline(user);
    await eventually(
      () => !this.isHeard(user),
      () => `the home of ${user} knows that they are offline`,
    );
  }

  override async untilOnline(user: string): Promise<void> {
    await super.untilOnline(user);
    await eventually(
      () => this.isHeard(user),
      () => `the home of ${user} knows that they are online`,
    );
  }

  private isHeard(user: string): boolean {
    return this.nodes.some(({ delivery }) => delivery.hears(user));
  }

  override blockDisk(): { begun: Promise<void>; release(): void } {
    const blocks = this.nodes.map((node) => node.blockDisk());
    return {
      begun: Promise.race(blocks.map(({ begun }) => begun)),
      release: () => blocks.forEach((block) => block.release()),
    };
  }

  /** The samples of all nodes, added up. */
  override async scrape(): Promise<Response> {
    const texts = await Promise.all(this.nodes.map(async (node) => (await node.scrape()).text()));
    const sums = new Map<string, number>();
    for (const [, name, value] of texts.flatMap((text) => [...text.matchAll(SAMPLE)])) {
      sums.set(name!, (sums.get(name!) ?? 0) + Number(value));
    }
    return new Response([...sums].map(([name, value]) => `${name} ${value}\n`).join(''));
  }

  override storedEver(): number {
    return sum(this.nodes.map((node) => node.storedEver()));
  }

  override heldInMemory(user: string): number {
    return sum(this.nodes.map((node) => node.heldInMemory(user)));
  }

  override expectBalanced(): void {
    for (const node of this.nodes) node.expectBalanced();
  }

  override async stop(): Promise<string> {
    this.expectBalanced();
    this.terminateAll();
    await Promise.all(this.nodes.map((node) => node.stop()));
    return this.folder;
  }
}

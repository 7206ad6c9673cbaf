import { errors } from '../../src/protocol/chat-error.js';
import { Nodes, type Cluster, type NodeFigures } from '../../src/nodes/nodes.js';
import { ChatApp, type TestOptions } from './chat-app.js';

const NOTHING = { acquired: 0, released: 0, fenced: 0, takeovers: 0, outstandingSends: 0, outstandingBytes: 0 };

type Handler = (argument: unknown, from: number) => unknown;

/** What goes from one node to another is JSON. */
function overLink(value: unknown): unknown {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}

/** A node that asks the others by a direct call. Which slots it has is left out. */
class JoinedNode implements Cluster {
  isReady = true;
  isSilent = false;
  private readonly handlers = new Map<string, Handler>();

  constructor(
    readonly self: number,
    private readonly everyNode: ReadonlyMap<number, JoinedNode>,
    private readonly home: number,
  ) {}

  get figures(): NodeFigures {
    const links = this.everyNode.size - 1;
    return { ...NOTHING, nodes: links + 1, slots: 512, links, packetsSent: 7, packetsRefused: { forged: 3 } };
  }

  homeOf(): number {
    return this.home;
  }

  register(name: string, handler: Handler): void {
    this.handlers.set(name, handler);
  }

  async call(node: number, name: string, argument: unknown): Promise<unknown> {
    const other = this.everyNode.get(node);
    if (!other || other.isSilent) throw errors.nodeSilent();
    const answer = await other.handlers.get(name)!(node === this.self ? argument : overLink(argument), this.self);
    return node === this.self ? answer : overLink(answer);
  }

  async all(name: string, argument: unknown): ReturnType<Cluster['all']> {
    const answers = new Map<number, unknown>();
    const missing: number[] = [];
    for (const node of this.everyNode.keys()) {
      await this.call(node, name, argument).then(
        (answer) => answers.set(node, answer),
        () => missing.push(node),
      );
    }
    return { answers, missing };
  }
}

/**
 * Applications that are nodes of one chat for whoever asks all nodes. Each has a store of its own: messages do not go
 * from one to another.
 */
export class JoinedApps {
  private constructor(
    readonly apps: readonly ChatApp[],
    private readonly nodes: readonly JoinedNode[],
  ) {}

  /** The home of every user is the last of them. */
  static async start(count: number, options: TestOptions = {}): Promise<JoinedApps> {
    const apps: ChatApp[] = [];
    const all = new Map<number, JoinedNode>();
    for (let id = 1; id <= count; id += 1) {
      const node = new JoinedNode(id, all, count);
      all.set(id, node);
      apps.push(await ChatApp.start(options, undefined, undefined, (app) => app.get(Nodes).join(node)));
    }
    return new JoinedApps(apps, [...all.values()]);
  }

  node(index: number): JoinedNode {
    return this.nodes[index]!;
  }

  async close(): Promise<void> {
    for (const app of this.apps) await app.dispose();
  }
}

import { errors } from '../protocol/chat-error.js';

/** A question that nodes ask each other: its name, and the types of what is asked and answered. Both are values of JSON. */
export interface Call<Argument, Result> {
  readonly name: string;
  /** Never there: it makes a call of other types another type. */
  readonly types?: (argument: Argument) => Result;
}

/** Handles a call: of this process (`isHere`), or of another node. */
export type CallHandler<Argument, Result> = (argument: Argument, isHere: boolean) => Result | Promise<Result>;

/** What the nodes have answered. */
export interface Answers<Result> {
  readonly results: readonly Result[];
  /** The nodes that have not answered in time, or have failed. */
  readonly missing: readonly number[];
}

/** What a node tells of its place in the cluster, for operators. */
export interface NodeFigures {
  /** Nodes that it knows, itself included. */
  readonly nodes: number;
  /** Slots that it serves. */
  readonly slots: number;
  /** Nodes that it hears and is heard by. */
  readonly links: number;
  /** Slots that it has taken over since its start, and that it has handed to others. */
  readonly acquired: number;
  readonly released: number;
  /** How often it has lost its place. */
  readonly fenced: number;
  /** Other nodes that were gone without having said so. */
  readonly takeovers: number;
  /** Messages of its clients that wait for the answer of another node, and their size in bytes. */
  readonly outstandingSends: number;
  readonly outstandingBytes: number;
  /** Packets that it has published on the bus. */
  readonly packetsSent: number;
  /** Packets of the bus that it has ignored, by the reason. */
  readonly packetsRefused: Readonly<Record<string, number>>;
}

/** The cluster, as this node sees it. */
export interface Cluster {
  /** The id of this node. */
  readonly self: number;
  /** It has its place in the cluster, and hears the others. */
  readonly isReady: boolean;
  readonly figures: NodeFigures;
  /** The node that is the home of this user; null while there is none. */
  homeOf(user: string): number | null;
  register(name: string, handler: (argument: unknown, from: number) => unknown): void;
  /** Rejects with a ChatError; STORE_UNAVAILABLE when no answer comes in time. */
  call(node: number, name: string, argument: unknown, withinMs?: number): Promise<unknown>;
  /** Asks every node, this one included. It never rejects. */
  all(
    name: string,
    argument: unknown,
    withinMs?: number,
  ): Promise<{ readonly answers: ReadonlyMap<number, unknown>; readonly missing: readonly number[] }>;
}

/**
 * The nodes of this chat. A single server is its only node: it asks itself, without anything in between. What is
 * asked here is for operators and for limits: no message comes this way.
 */
export class Nodes {
  private readonly handlers = new Map<string, CallHandler<unknown, unknown>>();
  private joined: Cluster | null = null;

  /** This process is a node of a cluster from now on. */
  join(cluster: Cluster): void {
    this.joined = cluster;
    for (const [name, handler] of this.handlers) register(cluster, name, handler);
  }

  /** The cluster; null for a single server. */
  get cluster(): Cluster | null {
    return this.joined;
  }

  /** Has this process answer a call. */
  handle<Argument, Result>({ name }: Call<Argument, Result>, handler: CallHandler<Argument, Result>): void {
    this.handlers.set(name, handler as CallHandler<unknown, unknown>);
    if (this.joined) register(this.joined, name, handler as CallHandler<unknown, unknown>);
  }

  /** Asks all nodes, this one included. With a single server it rejects as its handler does. */
  async all<Argument, Result>(
    { name }: Call<Argument, Result>,
    argument: Argument,
    withinMs?: number,
  ): Promise<Answers<Result>> {
    if (!this.joined) return { results: [(await this.here(name, argument)) as Result], missing: [] };
    const { answers, missing } = await this.joined.all(name, argument, withinMs);
    return { results: [...answers.values()] as Result[], missing };
  }

  /** Asks the home of a user. Rejects with a ChatError; STORE_UNAVAILABLE while no node is. */
  async atHome<Argument, Result>(
    user: string,
    call: Call<Argument, Result>,
    argument: Argument,
    withinMs?: number,
  ): Promise<Result> {
    if (!this.joined) return this.here(call.name, argument) as Promise<Result>;
    const home = this.joined.homeOf(user);
    if (home === null) throw errors.nodeSilent();
    return this.at(home, call, argument, withinMs);
  }

  /** Asks one node of a cluster. Rejects with a ChatError. */
  async at<Argument, Result>(
    node: number,
    { name }: Call<Argument, Result>,
    argument: Argument,
    withinMs?: number,
  ): Promise<Result> {
    if (!this.joined) throw errors.nodeSilent();
    return this.joined.call(node, name, argument, withinMs) as Promise<Result>;
  }

  private async here(name: string, argument: unknown): Promise<unknown> {
    return this.handlers.get(name)!(argument, true);
  }
}

function register(cluster: Cluster, name: string, handler: CallHandler<unknown, unknown>): void {
  cluster.register(name, (argument, from) => handler(argument, from === cluster.self));
}

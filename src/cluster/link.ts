import type { Emitter } from '../options/emitter.js';
import type { LinkFrame } from './frames.js';

/**
 * An ordered stream of frames between this node and another, both ways. It works as a whole or is broken as a whole: a
 * packet that was lost, or a silence of 3 s, breaks it, and a new link takes its place. What was written to a broken
 * link may have arrived or not. A packet that was repeated or forged changes nothing: else whoever has access to the
 * engine could break links.
 */
export interface Link {
  readonly peer: number;
  readonly isOpen: boolean;
  /** Bytes that wait to be published. */
  readonly waitingBytes: number;
  /**
   * Writes a frame; those of one turn of the event loop go in one packet. A broken link ignores it. When more than
   * 16 MiB wait to be published, the link breaks.
   */
  send(frame: LinkFrame): void;
  /** Ends it: the other side sees it broken as well. */
  break(): void;
}

/**
 * Why a packet of the bus was ignored: it has no form; it comes from no node of the view, or is for another; its sender
 * does not have the cluster's key; it was taken before; its link has ended.
 */
export type Rejected = 'malformed' | 'foreign' | 'forged' | 'replayed' | 'late';

/** The links of this node to all nodes of its view. */
export interface Links {
  /** A link works, in both directions. */
  readonly opened: Emitter<Link>;
  /** A link is broken; no frame of it comes any more. */
  readonly broken: Emitter<Link>;
  /** A frame came over an open link. */
  readonly frame: Emitter<Link, LinkFrame>;
  /** The open link to a node; null when there is none. */
  to(node: number): Link | null;
  /**
   * For how long nothing came from this node over a link, in milliseconds by the monotonic clock; Infinity if nothing
   * ever did, and after its goodbye. A handshake does not count.
   */
  silenceOf(node: number): number;
  /** The highest version of the membership that is known to exist: a peer has told it, or a new node has greeted. */
  readonly newestVersion: number;
  /** How many packets were ignored. */
  readonly rejected: Readonly<Record<Rejected, number>>;
  /** This node has that id from now on, and these peers; every other link is broken. */
  update(self: number, peers: readonly number[], version: number): void;
  /** How many packets were published. */
  readonly packetsSent: number;
  /** Bytes that wait to be published. */
  readonly waitingBytes: number;
  /** Says goodbye on all links, so that peers see them broken at once, and closes the bus. */
  close(): Promise<void>;
}

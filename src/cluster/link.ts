import type { Emitter } from '../options/emitter.js';
import type { LinkFrame } from './frames.js';

/**
 * An ordered stream of frames between this node and another, both ways. It works as a whole or is broken as a whole: a
 * frame that was lost, repeated or forged, or a silence of 3 s, breaks it, and a new link takes its place. What was
 * written to a broken link may have arrived or not.
 */
export interface Link {
  readonly peer: number;
  readonly isOpen: boolean;
  /** Writes a frame; those of one turn of the event loop go in one packet. A broken link ignores it. */
  send(frame: LinkFrame): void;
  /** Ends it: the other side sees it broken as well. */
  break(): void;
}

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
  /** For how long nothing came from this node, in milliseconds by the monotonic clock; Infinity if nothing ever did. */
  silenceOf(node: number): number;
  /** The highest version of the membership that a peer has told. */
  readonly newestVersion: number;
  /** This node has that id from now on, and these peers; every other link is broken. */
  update(self: number, peers: readonly number[], version: number): void;
  /** Bytes that wait to be published. */
  readonly waitingBytes: number;
  close(): Promise<void>;
}

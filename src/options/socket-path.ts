/** A path without `.` or `..` as segments, which every client would resolve before it sends a request. */
const PATH = /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._~-]+)+$/;

/** Returns whether a chat can have this path: literal, below the root, and spelled as every client sends it. */
export function isSocketPath(path: string): boolean {
  return PATH.test(path);
}

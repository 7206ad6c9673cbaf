/** Segments of `.` and `..` would be resolved by every client before it asks. */
const PATH = /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._~-]+)+$/;

/** Says whether a chat can be at this path: literal, below the root, and written as every client sends it. */
export function isSocketPath(path: string): boolean {
  return PATH.test(path);
}

/** How long a test waits before it fails and says what did arrive, in milliseconds. */
export const DEADLINE_MS = 20_000;

/** Returns what the promise resolves to. Rejects with `what()` if that takes longer than the deadline. */
export async function withDeadline<Result>(
  promise: Promise<Result>,
  what: () => string,
  ms: number = DEADLINE_MS,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what()}`)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

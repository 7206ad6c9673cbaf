/** How long a test waits for anything before it fails and says what did arrive, in milliseconds. */
export const DEADLINE_MS = 8_000;

/** Rejects with `what()` when the promise takes longer than the deadline. */
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

/** Asks again and again until the answer is true; for what can only be observed from outside, such as a REST counter. */
export async function eventually(
  claim: () => boolean | Promise<boolean>,
  what: () => string = () => claim.toString(),
  ms: number = DEADLINE_MS,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await claim())) {
    if (performance.now() > end) throw new Error(`never true within ${ms} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

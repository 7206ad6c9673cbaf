import { DEADLINE_MS } from '../../src/testing/deadline.js';

export { DEADLINE_MS, withDeadline } from '../../src/testing/deadline.js';

/** Polls until the condition is true. It is for what can only be observed from outside, such as a REST counter. */
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

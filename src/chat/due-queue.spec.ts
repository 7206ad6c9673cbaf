import { Random } from '../../test/support/crash-random.js';
import { DueQueue } from './due-queue.js';

describe('DueQueue', () => {
  it.each(Array.from({ length: 30 }, (_, seed) => seed))(
    'gives what is due, in order, however often the times were changed [%d]',
    (seed) => {
      const random = new Random(seed);
      const queue = new DueQueue<number>();
      const times = new Map<number, number>();
      const firsts: (readonly [number | null, number | null])[] = [];
      for (let step = 0; step < 200; step += 1) {
        const item = random.between(1, 60);
        const at = random.between(0, 1_000);
        if (random.between(1, 4) === 1) {
          queue.delete(item);
          times.delete(item);
        } else {
          queue.set(item, at);
          times.set(item, at);
        }
        firsts.push([queue.firstAt, times.size === 0 ? null : Math.min(...times.values())]);
      }
      expect(firsts.filter(([first, expected]) => first !== expected)).toEqual([]);
      const due = [...times.values()].filter((at) => at <= 600).sort((one, other) => one - other);
      const taken = queue.take(600, 10);
      expect(taken.map((item) => times.get(item))).toEqual(due.slice(0, 10));
      expect(queue.take(600, 100).map((item) => times.get(item))).toEqual(due.slice(10));
      expect(queue.firstAt).toBe(Math.min(...[...times.values()].filter((at) => at > 600)));
    },
  );
});

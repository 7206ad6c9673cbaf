import { systemClock } from '../options/clock.js';
import { PongConfirmation } from './pong-confirmation.js';

const newPongs = () => new PongConfirmation({ clock: systemClock, persistAfterMs: 250 });

/** Returns the nonce of a ping behind the message with this seq; null if too many are outstanding. */
function ask(pongs: PongConfirmation, seq: number): Buffer | null {
  pongs.wrote(seq, true);
  return pongs.ask();
}

describe('PongConfirmation', () => {
  it('confirms everything up to the ping that a pong answers', () => {
    const pongs = newPongs();
    const [first, second, third] = [ask(pongs, 3)!, ask(pongs, 5)!, ask(pongs, 9)!];
    expect(pongs.confirmedBy(second)).toBe(5);
    expect(pongs.confirmedBy(first)).toBeNull(); // Confirmed already, with the second.
    expect(pongs.confirmedBy(third)).toBe(9);
    expect(pongs.confirmedBy(third)).toBeNull();
  });

  it('takes no nonce but its own', () => {
    const pongs = newPongs();
    const nonce = ask(pongs, 1)!;
    const other = ask(newPongs(), 1)!;
    const guesses = [...nonce.keys()].map((index) => {
      const guess = Buffer.from(nonce);
      guess[index]! ^= 1;
      return guess;
    });
    for (const pong of [other, ...guesses, Buffer.alloc(0), Buffer.alloc(16), Buffer.alloc(125), nonce.subarray(1)]) {
      expect(pongs.confirmedBy(pong)).toBeNull();
    }
    expect(pongs.confirmedBy(nonce)).toBe(1);
  });

  it('asks no more while eight are without an answer', () => {
    const pongs = newPongs();
    const nonces = Array.from({ length: 8 }, (_, seq) => ask(pongs, seq)!);
    expect(ask(pongs, 8)).toBeNull();
    expect(pongs.confirmedBy(nonces[0]!)).toBe(0);
    expect(ask(pongs, 8)).not.toBeNull();
    expect(ask(pongs, 9)).toBeNull();
  });

  it('never gives the same nonce twice', () => {
    const pongs = newPongs();
    const seen = new Set<string>();
    for (let n = 0; n < 1_000; n += 1) {
      const nonce = ask(pongs, n)!;
      seen.add(nonce.toString('hex'));
      pongs.confirmedBy(nonce);
    }
    expect(seen.size).toBe(1_000);
  });
});

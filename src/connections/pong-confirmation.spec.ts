import { PongConfirmation } from './pong-confirmation.js';

describe('PongConfirmation', () => {
  it('confirms everything up to the ping that a pong answers', () => {
    const pongs = new PongConfirmation();
    const [first, second, third] = [pongs.ask(3)!, pongs.ask(5)!, pongs.ask(9)!];
    expect(pongs.confirmedBy(second)).toBe(5);
    expect(pongs.confirmedBy(first)).toBeNull(); // Confirmed already, with the second.
    expect(pongs.confirmedBy(third)).toBe(9);
    expect(pongs.confirmedBy(third)).toBeNull();
  });

  it('takes no nonce but its own', () => {
    const pongs = new PongConfirmation();
    const nonce = pongs.ask(1)!;
    const other = new PongConfirmation().ask(1)!;
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
    const pongs = new PongConfirmation();
    const nonces = Array.from({ length: 8 }, (_, seq) => pongs.ask(seq)!);
    expect(pongs.ask(8)).toBeNull();
    expect(pongs.confirmedBy(nonces[0]!)).toBe(0);
    expect(pongs.ask(8)).not.toBeNull();
    expect(pongs.ask(9)).toBeNull();
  });

  it('never gives the same nonce twice', () => {
    const pongs = new PongConfirmation();
    const seen = new Set<string>();
    for (let n = 0; n < 1_000; n += 1) {
      const nonce = pongs.ask(n)!;
      seen.add(nonce.toString('hex'));
      pongs.confirmedBy(nonce);
    }
    expect(seen.size).toBe(1_000);
  });
});

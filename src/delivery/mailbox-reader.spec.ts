import { MailboxReader, type ReaderState } from './mailbox-reader.js';

/** Every way of a reader, from the state on the left to those on the right. */
const WAYS: Record<ReaderState, readonly ReaderState[]> = {
  opening: ['draining', 'live', 'detached'],
  draining: ['reading', 'live', 'detached'],
  reading: ['draining', 'detached'],
  live: ['draining', 'detached'],
  detached: [],
};

/** How a reader comes there. */
const PATHS: Record<ReaderState, readonly ReaderState[]> = {
  opening: [],
  draining: ['draining'],
  reading: ['draining', 'reading'],
  live: ['live'],
  detached: ['detached'],
};

const STATES = Object.keys(WAYS) as ReaderState[];

function readerIn(state: ReaderState): MailboxReader {
  const receiver = {
    isOpen: true,
    onOpened: () => undefined,
    onMessage: () => undefined,
    onBroadcast: () => true,
    onCaughtUp: () => undefined,
  };
  const reader = new MailboxReader(receiver, 4, 0);
  for (const next of PATHS[state]) reader.moveTo(next);
  return reader;
}

/** What it throws. */
function attempt(move: () => void): string | null {
  try {
    move();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a reader', () => {
  it.each(STATES.flatMap((from) => STATES.map((to) => [from, to] as const)))('from %s to %s', (from, to) => {
    const reader = readerIn(from);
    const isWay = WAYS[from].includes(to);
    const failure = attempt(() => reader.moveTo(to));
    expect([failure, reader.state]).toEqual(isWay ? [null, to] : [`no reader goes from ${from} to ${to}`, from]);
  });

  it.each([
    ['opening', false],
    ['draining', true],
    ['reading', false],
    ['live', true],
    ['detached', false],
  ] as const)('is written to only when it waits for no page: %s %p', (state, isReady) => {
    expect(readerIn(state).isReady).toBe(isReady);
  });

  it('has to read again what was released behind its back, and is live no more', () => {
    const reader = readerIn('live');
    expect(reader.hasRead(9)).toBe(true);
    reader.readAgainAfter(4);
    expect([reader.state, reader.hasRead(4), reader.hasRead(5)]).toEqual(['draining', true, false]);
    reader.readAgainAfter(7); // What lies above 4 has to be read anyway.
    expect(reader.hasRead(5)).toBe(false);
  });
});

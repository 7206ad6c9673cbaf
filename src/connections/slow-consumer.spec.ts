import { Hold, type Reading } from './reading.js';
import { SlowConsumer } from './slow-consumer.js';

type State = 'keeping up' | 'filling' | 'slow' | 'slow for a heartbeat';
type Event = 'write' | 'end of turn' | 'heartbeat' | 'drain';
const LIMITS = { slowBufferBytes: 100, maxBufferedBytes: 1_000 };

/** Returns a consumer whose holds are noted: +1 for each hold, -1 for each release. */
function slowConsumer() {
  const held: number[] = [];
  const note = (by: number) => (why: Hold) => void (why === Hold.SLOW_CONSUMER && held.push(by));
  const consumer = new SlowConsumer({ hold: note(1), release: note(-1) } as unknown as Reading, LIMITS);
  return { consumer, held };
}

/** Calls the handler of an event, with this many bytes buffered; returns its result. */
function tell(consumer: SlowConsumer, event: Event, bytes: number): boolean | void {
  if (event === 'write') return consumer.handleWrite(bytes);
  if (event === 'end of turn') return consumer.handleEndOfTurn(bytes);
  return event === 'heartbeat' ? consumer.handleHeartbeat() : consumer.handleAllSent();
}

/** The shortest way into each state. */
const WAYS: Record<State, readonly Event[]> = {
  'keeping up': [],
  filling: ['write'],
  slow: ['write', 'end of turn'],
  'slow for a heartbeat': ['write', 'end of turn', 'heartbeat'],
};

/** Returns its state by what it does. Only the last state counts as dead at the next heartbeat. */
function stateOf(consumer: SlowConsumer): State {
  if (!consumer.isSlow) return 'keeping up';
  if (consumer.handleHeartbeat()) return 'slow for a heartbeat';
  return consumer.handleHeartbeat() ? 'slow' : 'filling';
}

describe('SlowConsumer', () => {
  it.each<[from: State, event: Event, bytes: number, says: boolean | undefined, to: State]>([
    ['keeping up', 'write', 100, false, 'keeping up'],
    ['keeping up', 'write', 101, true, 'filling'],
    ['keeping up', 'end of turn', 100, false, 'keeping up'],
    ['keeping up', 'heartbeat', 100, false, 'keeping up'],
    ['filling', 'write', 5_000, false, 'filling'],
    ['filling', 'end of turn', 5_000, false, 'slow'],
    ['filling', 'heartbeat', 5_000, false, 'filling'],
    ['filling', 'drain', 0, undefined, 'keeping up'],
    ['slow', 'write', 5_000, false, 'slow'],
    ['slow', 'end of turn', 1_000, false, 'slow'],
    ['slow', 'end of turn', 1_001, true, 'slow'],
    ['slow', 'heartbeat', 101, false, 'slow for a heartbeat'],
    ['slow', 'drain', 0, undefined, 'keeping up'],
    ['slow for a heartbeat', 'write', 5_000, false, 'slow for a heartbeat'],
    ['slow for a heartbeat', 'end of turn', 1_000, false, 'slow for a heartbeat'],
    ['slow for a heartbeat', 'end of turn', 1_001, true, 'slow for a heartbeat'],
    ['slow for a heartbeat', 'heartbeat', 101, true, 'slow for a heartbeat'],
    ['slow for a heartbeat', 'drain', 0, undefined, 'keeping up'],
  ])('that is %s, at a %s with %d bytes, says %s and is %s', (from, event, bytes, says, to) => {
    const { consumer, held } = slowConsumer();
    for (const step of WAYS[from]) tell(consumer, step, 101);
    expect(tell(consumer, event, bytes)).toBe(says);
    expect(stateOf(consumer)).toBe(to);
    // The socket is read while the peer keeps up.
    expect(held).toEqual(to === 'keeping up' ? (from === 'keeping up' ? [] : [1, -1]) : [1]);
  });

  it('counts from what waited at the end of the turn that brought too much, however much that was', () => {
    const { consumer } = slowConsumer();
    tell(consumer, 'write', 101);
    tell(consumer, 'end of turn', 5_000);
    expect(consumer.handleEndOfTurn(5_100)).toBe(false);
    expect(consumer.handleEndOfTurn(5_101)).toBe(true);
  });

  it('skips broadcasts while more than `slowBufferBytes` wait', () => {
    const { consumer } = slowConsumer();
    expect([100, 101].map((bytes) => consumer.skipsBroadcasts(bytes))).toEqual([false, true]);
  });
});

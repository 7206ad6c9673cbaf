import { fakeReceiver } from '../../test/support/fake-receiver.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { itMakesOnly } from '../../test/support/moves.js';
import { MailboxReader, READER_MOVES, type ReaderState } from './mailbox-reader.js';

function readerIn(state: ReaderState): MailboxReader {
  const reader = new MailboxReader(fakeReceiver({}), 4, 0, new ManualClock());
  reader['current'] = state;
  return reader;
}

describe('a reader', () => {
  itMakesOnly(READER_MOVES, readerIn);

  it.each([
    ['opening', false],
    ['draining', true],
    ['reading', false],
    ['paused', false],
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

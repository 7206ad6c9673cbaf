import { isClosing, isPaused, isRunning, nextPhase, type QueueEvent, type QueuePhase } from './queue-phase.js';

const EVENTS: readonly QueueEvent[] = ['asked', 'done', 'failed', 'failed-empty', 'pause-over', 'close'];
const OF_NODES: readonly QueueEvent[] = ['fenced', 'joined'];

describe('the phases of the commit queue', () => {
  it.each<[QueuePhase, ...QueuePhase[]]>([
    //            asked         done          failed        failed-empty  pause-over    close
    ['idle', 'committing', 'idle', 'idle', 'idle', 'idle', 'closed'],
    ['committing', 'committing', 'idle', 'pausing', 'resting', 'committing', 'closing'],
    ['pausing', 'pausing', 'pausing', 'pausing', 'pausing', 'committing', 'closing'],
    ['resting', 'committing', 'resting', 'resting', 'resting', 'committing', 'closing'],
    ['closing', 'closing', 'closed', 'closed', 'closed', 'closing', 'closing'],
    ['closed', 'closing', 'closed', 'closed', 'closed', 'closed', 'closed'],
    ['outside', 'outside', 'outside', 'outside', 'outside', 'outside', 'closed'],
  ])('%s: moves on as the table says', (phase, ...next) => {
    expect(EVENTS.map((event) => nextPhase(phase, event))).toEqual(next);
  });

  it.each<[QueuePhase, ...QueuePhase[]]>([
    //            fenced     joined
    ['idle', 'outside', 'idle'],
    ['committing', 'outside', 'committing'],
    ['pausing', 'outside', 'pausing'],
    ['resting', 'outside', 'resting'],
    ['closing', 'closing', 'closing'],
    ['closed', 'closed', 'closed'],
    ['outside', 'outside', 'committing'],
  ])('%s: leaves the cluster and joins it as the table says', (phase, ...next) => {
    expect(OF_NODES.map((event) => nextPhase(phase, event))).toEqual(next);
  });

  it.each<[QueuePhase, boolean, boolean, boolean]>([
    // phase      running paused closing
    ['idle', false, false, false],
    ['committing', true, false, false],
    ['pausing', true, true, false],
    ['resting', true, true, false],
    ['closing', true, false, true],
    ['closed', false, false, true],
    ['outside', false, false, false],
  ])('%s: says whether rounds are running, whether they pause, and whether these are the last', (phase, ...claims) => {
    expect([isRunning(phase), isPaused(phase), isClosing(phase)]).toEqual(claims);
  });
});

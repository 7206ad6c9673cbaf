import type { Logger } from '@nestjs/common';
import { Emitter } from './emitter.js';

describe('Emitter', () => {
  let logged: string[];
  const logger = { error: (message: string) => logged.push(message) } as unknown as Logger;
  beforeEach(() => {
    logged = [];
  });

  it('tells every listener, in the order in which they came', () => {
    const heard: unknown[] = [];
    const emitter = new Emitter<string, number>(logger, 'moved');
    emitter.on((what, count) => heard.push(['first', what, count]));
    emitter.on((what, count) => heard.push(['second', what, count]));
    emitter.emit('a', 1);
    expect(heard).toEqual([
      ['first', 'a', 1],
      ['second', 'a', 1],
    ]);
  });

  it('logs what a listener throws, with the name of the event, and the others still hear', () => {
    const heard: string[] = [];
    const emitter = new Emitter<string>(logger, 'moved');
    emitter.on(() => {
      throw new Error('broken');
    });
    emitter.on(() => {
      // What is thrown need not be an Error.
      throw 'a text'; // oxlint-disable-line no-throw-literal
    });
    emitter.on((what) => heard.push(what));
    emitter.emit('a');
    expect(heard).toEqual(['a']);
    expect(logged).toEqual([
      expect.stringMatching(/^A listener of "moved" threw: Error: broken\n {4}at /),
      'A listener of "moved" threw: a text',
    ]);
  });

  it('removes the one listener that its function was returned for', () => {
    const heard: string[] = [];
    const emitter = new Emitter<string>(logger, 'moved');
    const listener = (what: string) => void heard.push(what);
    emitter.on(listener);
    const remove = emitter.on(listener);
    remove();
    remove();
    emitter.emit('a');
    expect(heard).toEqual(['a']);
  });

  it('goes on to tell those who were there when one leaves or comes meanwhile', () => {
    const heard: string[] = [];
    const emitter = new Emitter<string>(logger, 'moved');
    const remove = emitter.on((what) => {
      heard.push(`first ${what}`);
      remove();
      emitter.on((later) => heard.push(`late ${later}`));
    });
    emitter.on((what) => heard.push(`second ${what}`));
    emitter.emit('a');
    emitter.emit('b');
    expect(heard).toEqual(['first a', 'second a', 'second b', 'late b']);
  });
});

import 'reflect-metadata';
import { storeOptions } from './store-options.js';

const FILE = '/srv/chat/store.sqlite';

describe('the name of the file of a store', () => {
  it.each([
    ['a blank behind it', `${FILE} `, /begins or ends with a blank/],
    ['an escape in it', `${FILE}\x1b`, /has a line break or another control character in it/],
    ['parameters', `${FILE}?mode=ro`, /has a '\?' in it, but takes no parameters/],
    ['an address', 'file:x?mode=memory', /is an address; give a plain path/],
    [':MEMORY:', ':MEMORY:', /begins with a ':'; only :memory: does, in small letters/],
    ['a home', '~/x.sqlite', /has something in it that only a shell replaces/],
    ['quotation marks', `"${FILE}"`, /begins or ends with a quotation mark/],
    ['a slash at its end', `${FILE}/`, /is the name of a folder; give a plain path/],
  ])('is refused when nobody meant it: %s', (_what, name, complaint) => {
    expect(() => storeOptions(`sqlite:${name}`)).toThrow(complaint);
    expect(() => storeOptions(`better-sqlite3:${name}`)).toThrow(complaint);
  });

  it('may have blanks and points in it, and may be :memory:', () => {
    for (const name of ['/srv/my chat/a.b.sqlite', ':memory:']) {
      expect(storeOptions(`better-sqlite3:${name}`)).toMatchObject({ database: name });
    }
  });
});

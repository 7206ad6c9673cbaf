import { expiryOf, explainRefused, readToken, readUser } from './token.js';

const NOW = Date.parse('2026-11-23T09:30:00Z');

describe('a token on the page', () => {
  const tokenOf = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
  const inMinutes = (minutes: number) => NOW / 1_000 + minutes * 60;

  it('is read without what was copied with it', () => {
    expect(readToken(' Bearer a.b.\n c\n')).toBe('a.b.c');
  });

  it.each(['', 'a.b', 'a.b.c.d', 'a b', `${'x'.repeat(9_000)}.b.c`, 'ä.b.c'])('%j is none', (raw) => {
    expect(readToken(raw)).toBeNull();
  });

  it('says whose it is, as the server does', () => {
    expect(readUser(tokenOf({ sub: '愛' }), 'sub')).toEqual({ name: '愛', problem: null });
    expect(readUser(tokenOf({ sub: 'auth0|7%' }), 'sub').name).toBe('auth0%7C7%25');
    expect(readUser(tokenOf({ sub: '1', login: 'ada' }), 'login').name).toBe('ada');
  });

  it.each([
    [{}, /^This token names nobody: it has no text in “sub”\.$/],
    [{ sub: 7 }, /^This token names nobody: it has no text in “sub”\.$/],
    [{ sub: 'a\u200bb' }, /^This token has no user name in “sub”\. There is an invisible character/],
    [{ sub: ' bob' }, /^This token has no user name in “sub”\. It is not in its only spelling\.$/],
  ])('of nobody says so: %j', (claims, problem) => {
    const read = readUser(tokenOf(claims), 'sub');
    expect(read.name).toBeNull();
    expect(read.problem).toMatch(problem);
  });

  it('that was refused says what can be read in it', () => {
    const same = { sub: 'ada', iss: 'https://issuer.example', aud: ['chat', 'mail'] };
    const explain = (claims: object) => explainRefused(tokenOf({ ...same, ...claims }), NOW);
    expect(explain({ exp: inMinutes(-90) })).toMatch(/^This token ended 1 hr ago \(.*2026.*\)\.$/);
    expect(explain({ nbf: inMinutes(5) })).toMatch(/^This token is not valid yet: it begins in 5 min/);
    expect(explain({ exp: inMinutes(5) })).toContain('It is of https://issuer.example, for chat,mail');
    expect(explainRefused(tokenOf({ sub: 'ada' }), NOW)).toContain('of nobody in particular, for nobody in particular');
    for (const text of ['[]', 'null', '"x"', '{', 'ÿ']) {
      const token = `e30.${Buffer.from(text, 'latin1').toString('base64url')}.c2ln`;
      expect([text, explainRefused(token, NOW)]).toEqual([text, expect.stringMatching(/read|of nobody/)]);
    }
  });

  it('says when it expires', () => {
    expect([expiryOf(tokenOf({ exp: 7 })), expiryOf(tokenOf({})), expiryOf('a.b.c')]).toEqual([7_000, null, null]);
  });
});

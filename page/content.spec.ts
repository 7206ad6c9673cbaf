import { isLong, partsOf } from './content.js';

describe('what somebody wrote', () => {
  const linksOf = (content: string) => partsOf(content).flatMap(({ text, href }) => (href === null ? [] : [text]));

  it.each([
    ['see https://example.com/a?b=c#d, please', ['https://example.com/a?b=c#d']],
    ['http://127.0.0.1:3000/', ['http://127.0.0.1:3000/']],
    ['(as on https://example.com/wiki/Rope_(knot))', ['https://example.com/wiki/Rope_(knot)']],
    ['“https://example.com/”', ['https://example.com/']],
    ['HTTPS://EXAMPLE.COM/Path!', ['HTTPS://EXAMPLE.COM/Path']],
    ['https://a.example https://b.example', ['https://a.example', 'https://b.example']],
    ['https://bücher.example/straße', ['https://bücher.example/straße']],
    ['**https://example.com**', ['https://example.com']],
  ])('has links: %j', (content, links) => {
    expect(linksOf(content)).toEqual(links);
  });

  it.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'file:///etc/passwd',
    'ftp://example.com/',
    'xhttps://example.com',
    'https://',
    'https://bank.example@evil.example/',
    'https://user:secret@example.com/',
    'www.example.com',
    'http://[broken/',
  ])('has no link: %j', (content) => {
    expect(linksOf(content)).toEqual([]);
  });

  it.each(['', 'a\nb', 'x https://example.com/ y', 'https://example.com/', '\u202ehttps://example.com/\u202c'])(
    'is shown as it is, character by character: %j',
    (content) => {
      expect(
        partsOf(content)
          .map(({ text }) => text)
          .join(''),
      ).toBe(content);
    },
  );

  // The deadline of the test is what would end a way that looks at each character more than once.
  it.each([')', '.', '.)'])('is read character by character, also with 60,000 of %j behind an address', (end) => {
    expect(linksOf(`https://a${end.repeat(60_000)}`)).toEqual(['https://a']);
  });

  it('is long above 1,500 characters, or 20 lines', () => {
    expect([isLong('x'.repeat(1_500)), isLong('x'.repeat(1_501))]).toEqual([false, true]);
    expect([isLong('\n'.repeat(19)), isLong('\n'.repeat(20))]).toEqual([false, true]);
  });
});

import { customerOf, isLoopback, isNetwork, matcherOf, parseAddress } from './network-address.js';

describe('an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    [' 203.0.113.7\t', '203.0.113.7'],
    ['203.0.113.7:50000', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:443', '203.0.113.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['2001:0DB8:0:0:0:0:0:7', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:DB8::0007]:443', '2001:db8::7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[FE80::1%25eth0]:80', 'fe80::1'],
    [`fe80::1%${'e'.repeat(300)}`, 'fe80::1'],
    ['::1', '::1'],
    ['::', '::'],
  ])('%j is %s, however it is written', (text, address) => {
    expect(parseAddress(text)).toBe(address);
  });

  it.each([
    '',
    ' ',
    ':80',
    '[]',
    '[]:80',
    'unknown',
    '_hidden',
    '<script>',
    'localhost',
    'x'.repeat(300),
    '1',
    '203.0.113',
    '203.0.113.256',
    '010.0.0.1',
    '0x7f.0.0.1',
    '203.0.113.7:',
    '203.0.113.7:999999',
    '203.0.113.7:80:80',
    '203.0.113.7 198.51.100.1',
    '203.0.113.7/24',
    '[2001:db8::7',
    '2001:db8::7]',
    '[2001:db8::7]443',
    '2001:db8:::7',
    '2001:db8::g',
    'fe80::1%<script>',
    '"[2001:db8::7]"',
    'for=203.0.113.7',
    'unix:',
    '203.0.113.7\u0000',
  ])('%j is none', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  it('counts as itself in IPv4, and as its /64 in IPv6', () => {
    const same = ['2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff:ffff:ffff:ffff', '2001:db8::1:0:0:0'];
    expect(new Set(same.map((text) => customerOf(parseAddress(text)!)))).toEqual(new Set(['2001:db8:0:0::/64']));
    const others = [
      '2001:db8:0:1::1',
      '2001:db8:1::1',
      '1::4:5:6:7:8',
      '1:0:0:5::',
      '::1',
      '203.0.113.7',
      '203.0.113.8',
    ];
    const customers = new Set(others.map((text) => customerOf(parseAddress(text)!)));
    expect(customers.size).toBe(others.length);
    expect(customers).toContain('203.0.113.7');
    expect(customers).toContain('1:0:0:4::/64');
  });

  it('counts as itself behind a translator, where all of IPv4 is one /64', () => {
    const [one, other] = ['64:ff9b::203.0.113.7', '64:ff9b::203.0.113.8'].map((text) =>
      customerOf(parseAddress(text)!),
    );
    expect(one).not.toBe(other);
  });

  it('is of the own machine when it is a loopback address, and not when it only begins like one', () => {
    for (const address of ['127.0.0.1', '127.255.0.2', '::1', '::ffff:127.0.0.1'])
      expect(isLoopback(address)).toBe(true);
    for (const address of ['128.0.0.1', '192.168.0.1', '::2', '127.0.0.1.example.com', '', '::ffff:10.0.0.1'])
      expect(isLoopback(address)).toBe(false);
  });
});

describe('a network of proxies', () => {
  it.each(['10.0.0.1', '10.0.0.0/8', '10.0.0.0/255.0.0.0', '2001:db8::/32', '::ffff:10.0.0.0/104', 'loopback'])(
    'is taken when it can be read: %s',
    (text) => expect(isNetwork(text)).toBe(true),
  );

  it.each([
    '',
    ' 10.0.0.1',
    '10.0.0.1:80',
    '[2001:db8::7]:443',
    '[2001:db8::7]',
    'fe80::1%eth0',
    'fe80::%eth0/10',
    '10.1',
    '1',
    '010.0.0.1',
    '0x7f.0.0.1',
    '10.0.0.0/33',
    '10.0.0.0/0',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    'proxy.example.com',
    'toString',
  ])('is refused when it could match nothing, or more than it says: %j', (text) => expect(isNetwork(text)).toBe(false));

  it('matches what lies in it, in either family', () => {
    const isTrusted = matcherOf(['10.0.0.0/8', 'loopback', '2001:db8::/32']);
    for (const address of ['10.1.2.3', '127.0.0.1', '::1', '2001:db8::7']) expect(isTrusted(address)).toBe(true);
    for (const address of ['11.0.0.1', '2001:db9::1', '']) expect(isTrusted(address)).toBe(false);
    expect(matcherOf([])('127.0.0.1')).toBe(false);
  });
});

import { createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters, type JWTVerifyGetKey } from 'jose';
import { systemClock } from '../options/clock.js';
import { refusals, type HandshakeRefusal } from '../protocol/handshake-refusal.js';
import { checkedSet } from './jwt-keys.js';
import { ReportedRefusal } from './reported-refusal.js';

/** The longest answer that is read, in bytes. Sets have a few kilobytes; one of a thousand keys would fit. */
const MAX_SET_BYTES = 1024 * 1024;
/** How long reading them may take, in milliseconds. */
const READ_WITHIN_MS = 5_000;
/** Between two requests for the keys, in milliseconds, whatever strangers send meanwhile. */
const COOL_DOWN_MS = 30_000;
/** After so long, in milliseconds, the keys are read again, so that one which was taken back is forgotten. */
const FRESH_MS = 10 * 60 * 1000;
/** While the address fails the keys that were read last are good for so long, in milliseconds. */
const GOOD_MS = 24 * 60 * 60 * 1000;

const TAKEN = 'RSA of 2,048 bits or more, P-256, P-384, P-521 and Ed25519 are';

/** So many keys that are not published are remembered, with names of so many characters. */
const MAX_MISSING = 1_000;
const MAX_NAME_CHARACTERS = 256;

interface KeySet {
  readonly find: JWTVerifyGetKey;
  /** Published keys that can't check a token here. */
  readonly unusable: number;
}

/**
 * The public keys at an address. It asks once a cool-down for all tokens together, reads a bounded answer, and goes on with
 * what it has while the address fails. A key that it does not know yet it promises to nobody: 503 until it may ask again.
 */
export class PublishedKeys {
  private known: (KeySet & { readonly readAt: number }) | null = null;
  /** Keys that tokens named before the set was read, and that are not in it: they are not new. */
  private readonly missing = new Set<string>();
  private reading: Promise<void> | null = null;
  /** When the last request began, and what became of it. */
  private asked: { readonly at: number; problem: string | null } = { at: -Infinity, problem: null };
  private readonly now = () => systemClock.now();

  constructor(
    private readonly address: URL,
    private readonly algorithm: string | undefined,
  ) {}

  /** The key of a token; rejects with a refusal when it is not published, or when nobody can tell. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const cameAt = this.now();
    if (!this.isFresh) await this.refresh();
    try {
      return await this.current()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    if (!this.isCoolingDown || this.reading) await this.read();
    try {
      return await this.current()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const mayBeNew = this.known!.readAt < cameAt && !this.missing.has(nameOf(header));
      // The set was read before anybody asked for this key, which may be newer.
      if (this.asked.problem !== null || mayBeNew) throw this.later();
      this.remember(nameOf(header));
      throw this.notPublished();
    }
  };

  private get isFresh(): boolean {
    return this.known !== null && this.now() - this.known.readAt < FRESH_MS;
  }

  private get isCoolingDown(): boolean {
    return this.now() - this.asked.at < COOL_DOWN_MS;
  }

  /** Waits for newer keys, unless the address is known to fail: then who has a good token does not wait for it. */
  private async refresh(): Promise<void> {
    if (this.isCoolingDown && !this.reading) return;
    const isFailing = this.known !== null && this.asked.problem !== null;
    const read = this.read();
    if (!isFailing) await read;
  }

  private current(): JWTVerifyGetKey {
    if (this.known === null || this.now() - this.known.readAt >= GOOD_MS) throw this.later();
    return this.known.find;
  }

  private remember(name: string): void {
    if (name.length <= MAX_NAME_CHARACTERS && this.missing.size < MAX_MISSING) this.missing.add(name);
  }

  private notPublished(): ReportedRefusal {
    const { unusable } = this.known!;
    const others = unusable > 0 ? ` (${unusable} published ones are not taken here: ${TAKEN})` : '';
    const message =
      'A token is signed with a key that is not among the published ones, or with another algorithm than that key is for' +
      `${others}; if its issuer is yours, look at jwksUrl (CHAT_JWKS_URL) and algorithm (CHAT_JWT_ALGORITHM).`;
    return new ReportedRefusal(refusals.unauthorized(), { kind: 'key not published', message });
  }

  private later(): HandshakeRefusal {
    const refusal = refusals.authenticationUnavailable(
      Math.max(1, Math.ceil((this.asked.at + COOL_DOWN_MS - this.now()) / 1000)),
    );
    const { problem } = this.asked;
    if (problem === null) return refusal;
    const message = `The published keys can't be read, so tokens can't be checked: ${problem}; look at the address in jwksUrl (CHAT_JWKS_URL).`;
    return new ReportedRefusal(refusal, { kind: 'published keys', level: 'error', message });
  }

  /** One request for everybody who waits. It does not reject: `asked` says what became of it. */
  private read(): Promise<void> {
    this.reading ??= this.request().finally(() => (this.reading = null));
    return this.reading;
  }

  private async request(): Promise<void> {
    const asked: { at: number; problem: string | null } = { at: this.now(), problem: this.asked.problem };
    this.asked = asked;
    try {
      // As old as the question: what was published after it may be missing.
      this.known = { ...(await fetchSet(this.address, this.algorithm)), readAt: asked.at };
      this.missing.clear();
      asked.problem = null;
    } catch (error) {
      asked.problem = problemOf(error);
    }
  }
}

function nameOf({ alg, kid }: JWSHeaderParameters = {}): string {
  return `${alg} ${kid}`;
}

/** What is wrong with an answer; its message is for the log. */
class BadSet extends Error {}

async function fetchSet(address: URL, algorithm: string | undefined): Promise<KeySet> {
  const response = await fetch(address, {
    redirect: 'manual', // An address of ours, and no other's, says whom to believe.
    signal: AbortSignal.timeout(READ_WITHIN_MS),
    headers: { Accept: 'application/json, application/jwk-set+json' },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new BadSet(`it answers ${response.status}`);
  }
  const { keys, unusable } = checkedSet(setIn(await textOf(response)).keys, algorithm);
  if (keys.length > 0) return { find: createLocalJWKSet({ keys }), unusable };
  throw new BadSet(unusable > 0 ? `it has no key that is taken here: ${TAKEN}` : 'it has no keys');
}

async function textOf({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > MAX_SET_BYTES) throw new BadSet(`its answer has more than ${MAX_SET_BYTES} bytes`); // This ends the request.
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function setIn(text: string): JSONWebKeySet {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    throw new BadSet('its answer is no JSON'); // The cause would quote it.
  }
  const { keys } = (set ?? {}) as { keys?: unknown };
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)) return set as JSONWebKeySet;
  throw new BadSet('its answer is no JSON Web Key Set');
}

function problemOf(error: unknown): string {
  if (error instanceof BadSet) return error.message;
  const { name, cause } = error as { name?: unknown; cause?: { code?: unknown; message?: unknown } };
  if (name === 'TimeoutError') return `no answer within ${READ_WITHIN_MS} ms`;
  return String(cause?.code ?? cause?.message ?? error);
}

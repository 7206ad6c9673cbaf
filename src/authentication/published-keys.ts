import { createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters, type JWTVerifyGetKey } from 'jose';
import { systemClock } from '../options/clock.js';
import { refusals, type HandshakeRefusal } from '../protocol/handshake-refusal.js';
import { checkedSet } from './jwt-keys.js';
import { ReportedRefusal } from './reported-refusal.js';

/** The longest response that is read, in bytes. Sets have a few kilobytes. One with a thousand keys would still fit. */
const MAX_SET_BYTES = 1024 * 1024;
/** Time limit of one request, in milliseconds. */
const READ_WITHIN_MS = 5_000;
/** Least time between two requests, in milliseconds, however many tokens come meanwhile. */
const COOL_DOWN_MS = 30_000;
/** Age of a set at which it is read again, in milliseconds, so that a revoked key is dropped. */
const FRESH_MS = 10 * 60 * 1000;
/** Age up to which a set is used while the address fails, in milliseconds. */
const GOOD_MS = 24 * 60 * 60 * 1000;

const USABLE = 'use RSA of 2,048 bits or more, P-256, P-384, P-521 or Ed25519';

/** How many unpublished keys are remembered, and the longest name that is. */
const MAX_MISSING = 1_000;
const MAX_NAME_CHARACTERS = 256;

interface KeySet {
  readonly find: JWTVerifyGetKey;
  /** How many published keys cannot check a token here. */
  readonly unusable: number;
}

/**
 * The public keys that an address publishes. It sends one request for all tokens together, at most once in a cool-down,
 * and limits the size of the response. While the address fails it uses the last set. A token with an unknown key is
 * refused with 503 until the next request is allowed, as the key may be new.
 */
export class PublishedKeys {
  private known: (KeySet & { readonly readAt: number }) | null = null;
  /**
   * Keys that tokens named before this set was read, and that are not in it. Such a key is not new, so its token is
   * refused with 401.
   */
  private readonly missing = new Set<string>();
  private reading: Promise<void> | null = null;
  /** When the last request began, and why it failed. */
  private asked: { readonly at: number; problem: string | null } = { at: -Infinity, problem: null };
  private readonly now = () => systemClock.now();

  constructor(
    private readonly address: URL,
    private readonly algorithm: string | undefined,
  ) {}

  /** Returns the key of a token. Rejects with 401 if the key is not published, with 503 if that cannot be told. */
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
      // The key may have been published after the set was read.
      if (this.asked.problem !== null || mayBeNew) throw this.later();
      this.remember(nameOf(header));
      throw this.notPublished();
    }
  };

  private get isFresh(): boolean {
    return this.known !== null && this.now() - this.known.readAt < FRESH_MS;
  }

  /** Whether there is a set that may be used. */
  private get isGood(): boolean {
    return this.known !== null && this.now() - this.known.readAt < GOOD_MS;
  }

  private get isCoolingDown(): boolean {
    return this.now() - this.asked.at < COOL_DOWN_MS;
  }

  /**
   * Reads the set again. While the address fails, and the last set is good, it does not wait for that, so that valid
   * tokens are not held up.
   */
  private async refresh(): Promise<void> {
    if (this.isCoolingDown && !this.reading) return;
    const isAwaited = !this.isGood || this.asked.problem === null;
    const read = this.read();
    if (isAwaited) await read;
  }

  private current(): JWTVerifyGetKey {
    if (!this.isGood) throw this.later();
    return this.known!.find;
  }

  private remember(name: string): void {
    if (name.length <= MAX_NAME_CHARACTERS && this.missing.size < MAX_MISSING) this.missing.add(name);
  }

  private notPublished(): ReportedRefusal {
    const { unusable } = this.known!;
    const others = unusable > 0 ? ` (${unusable} published keys cannot be used here: ${USABLE})` : '';
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

  /** Sends one request for all callers that wait. It never rejects: a failure is in `asked`. */
  private read(): Promise<void> {
    this.reading ??= this.request().finally(() => (this.reading = null));
    return this.reading;
  }

  private async request(): Promise<void> {
    const asked: { at: number; problem: string | null } = { at: this.now(), problem: this.asked.problem };
    this.asked = asked;
    try {
      // The set is as old as the request: a key that was published after it may be missing.
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

/** A response that cannot be used. Its message goes to the log. */
class BadSet extends Error {}

async function fetchSet(address: URL, algorithm: string | undefined): Promise<KeySet> {
  const response = await fetch(address, {
    redirect: 'manual', // Only the configured address says which keys to trust.
    signal: AbortSignal.timeout(READ_WITHIN_MS),
    headers: { Accept: 'application/json, application/jwk-set+json' },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new BadSet(`it returned ${response.status}`);
  }
  const { keys, unusable } = checkedSet(setIn(await textOf(response)).keys, algorithm);
  if (keys.length > 0) return { find: createLocalJWKSet({ keys }), unusable };
  throw new BadSet(unusable > 0 ? `it has no key that can be used here: ${USABLE}` : 'it has no keys');
}

async function textOf({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    // Leaving the loop ends the request.
    if (bytes > MAX_SET_BYTES) throw new BadSet(`its response has more than ${MAX_SET_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function setIn(text: string): JSONWebKeySet {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    throw new BadSet('its response is not JSON'); // The cause is left out: it would quote the response.
  }
  const { keys } = (set ?? {}) as { keys?: unknown };
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)) return set as JSONWebKeySet;
  throw new BadSet('its response is not a JSON Web Key Set');
}

function problemOf(error: unknown): string {
  if (error instanceof BadSet) return error.message;
  const { name, cause } = error as { name?: unknown; cause?: { code?: unknown; message?: unknown } };
  if (name === 'TimeoutError') return `no response within ${READ_WITHIN_MS} ms`;
  return String(cause?.code ?? cause?.message ?? error);
}

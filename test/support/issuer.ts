import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type GenerateKeyPairResult, type JWTPayload } from 'jose';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Changes to the claims of a good token. Null removes a claim. */
export type Claims = Readonly<Record<string, unknown>>;

/** An issuer of tokens (RS256). It publishes its key on its own server, which also records every other request. */
export class Issuer {
  static readonly ISSUER = 'https://issuer.example';
  static readonly AUDIENCE = 'chat';
  /** The keys of all issuers of a test file: making them takes half a second. */
  private static madeKeys: Promise<GenerateKeyPairResult> | null = null;
  /** The requests to its server, except those for the keys. */
  readonly trapped: string[] = [];
  /** Replaces the answer with the keys by a status, or by what a test does with the response. Null sends the keys. */
  outage: number | ((response: ServerResponse) => void) | null = null;
  /** How often it was asked for the keys. */
  asked = 0;
  /** What it publishes. */
  published: { keys: object[] } = { keys: [] };

  private constructor(
    private readonly keys: GenerateKeyPairResult,
    readonly publicKey: string,
    private readonly server: Server,
  ) {}

  static async start(): Promise<Issuer> {
    const keys = await (Issuer.madeKeys ??= generateKeyPair('RS256', { extractable: true }));
    const server = createServer((request, response) => {
      if (request.url === '/keys') issuer.asked += 1;
      else issuer.trapped.push(request.url!);
      if (typeof issuer.outage === 'function') return issuer.outage(response);
      response.writeHead(issuer.outage ?? 200, { 'Content-Type': 'application/json', Connection: 'close' });
      response.end(JSON.stringify(issuer.published));
    });
    const issuer: Issuer = new Issuer(keys, await exportSPKI(keys.publicKey), server);
    await issuer.publish(keys, { kid: 'good', use: 'sig', alg: 'RS256' });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return issuer;
  }

  /** Publishes one more key, with these properties. */
  async publish({ publicKey }: GenerateKeyPairResult, more: object): Promise<void> {
    this.published.keys.push({ ...(await exportJWK(publicKey)), ...more });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get jwt() {
    return { jwksUrl: `${this.url}/keys`, issuer: Issuer.ISSUER, audience: Issuer.AUDIENCE };
  }

  /** Returns a token of this user. It is good unless it is changed. */
  async token(user: string, claims: Claims = {}, header: object = {}, keys = this.keys): Promise<string> {
    return new SignJWT(Issuer.claims(user, claims))
      .setProtectedHeader({ alg: 'RS256', kid: 'good', ...header })
      .sign(keys.privateKey);
  }

  static claims(user: string, changes: Claims = {}): JWTPayload {
    const now = Math.floor(Date.now() / 1000);
    const all = { sub: user, iss: Issuer.ISSUER, aud: Issuer.AUDIENCE, iat: now, exp: now + 600, ...changes };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}

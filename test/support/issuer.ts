import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type GenerateKeyPairResult, type JWTPayload } from 'jose';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Changes to what a good token has; null takes a claim out. */
export type Claims = Readonly<Record<string, unknown>>;

/** Who gives out tokens: RS256, with the key published on a server of its own, which also notes who asks for anything else. */
export class Issuer {
  static readonly ISSUER = 'https://issuer.example';
  static readonly AUDIENCE = 'chat';
  /** Of all issuers of a test file: making them takes half a second. */
  private static madeKeys: Promise<GenerateKeyPairResult> | null = null;
  /** What was asked of its server, but for the keys. */
  readonly trapped: string[] = [];
  /** What the server answers in place of the keys: a status, or what a test does with the response; null for the keys. */
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

  /** Publishes one more key, with what is said of it. */
  async publish({ publicKey }: GenerateKeyPairResult, more: object): Promise<void> {
    this.published.keys.push({ ...(await exportJWK(publicKey)), ...more });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get jwt() {
    return { jwksUrl: `${this.url}/keys`, issuer: Issuer.ISSUER, audience: Issuer.AUDIENCE };
  }

  /** A token of this user, good unless it is changed. */
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

import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type GenerateKeyPairResult, type JWTPayload } from 'jose';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Changes to what a good token has; null takes a claim out. */
export type Claims = Readonly<Record<string, unknown>>;

/** Who gives out tokens: RS256, with the key published on a server of its own, which also notes who asks for anything else. */
export class Issuer {
  static readonly ISSUER = 'https://issuer.example';
  static readonly AUDIENCE = 'chat';
  /** What was asked of its server, but for the keys. */
  readonly trapped: string[] = [];
  /** What the server answers in place of the keys; null for the keys. */
  outage: number | null = null;

  private constructor(
    private readonly keys: GenerateKeyPairResult,
    readonly publicKey: string,
    private readonly server: Server,
  ) {}

  static async start(): Promise<Issuer> {
    const keys = await generateKeyPair('RS256', { extractable: true });
    const published = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'good', use: 'sig', alg: 'RS256' }] };
    const server = createServer((request, response) => {
      if (request.url !== '/keys') issuer.trapped.push(request.url!);
      response.writeHead(issuer.outage ?? 200, { 'Content-Type': 'application/json', Connection: 'close' });
      response.end(JSON.stringify(published));
    });
    const issuer: Issuer = new Issuer(keys, await exportSPKI(keys.publicKey), server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return issuer;
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
    await once(this.server, 'close');
  }
}

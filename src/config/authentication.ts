import { resolveAuthenticationOptions, type AuthenticationOptions } from '../authentication/authentication.options.js';
import type { Authenticator } from '../authentication/authenticator.js';
import { jwt } from '../authentication/jwt.authenticator.js';
import { trusted } from '../authentication/trusted.authenticator.js';
import { ChatOptionsError } from '../options/chat.options.js';
import { EnvironmentError } from './environment-error.js';

/** The option that each variable sets. */
const JWT_VARIABLES = {
  secret: 'CHAT_JWT_SECRET',
  publicKey: 'CHAT_JWT_PUBLIC_KEY',
  jwksUrl: 'CHAT_JWKS_URL',
  algorithm: 'CHAT_JWT_ALGORITHM',
  issuer: 'CHAT_JWT_ISSUER',
  audience: 'CHAT_JWT_AUDIENCE',
  userClaim: 'CHAT_JWT_USER_CLAIM',
} as const;
const VARIABLES: Readonly<Record<string, string>> = { ...JWT_VARIABLES, adminToken: 'CHAT_ADMIN_TOKEN' };

/** Every variable that this file reads. */
export const AUTHENTICATION_VARIABLES = [
  'CHAT_AUTH',
  ...Object.values(JWT_VARIABLES),
  'CHAT_ADMIN_TOKEN',
  'CHAT_INSECURE',
] as const;

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/**
 * Reads who may connect and administrate. Throws an EnvironmentError, also where strangers would reach an unguarded
 * server.
 */
export function readAuthentication(
  given: Readonly<Record<string, string>>,
  host: string,
): Readonly<AuthenticationOptions> {
  try {
    const authenticate = authenticator(given);
    const insecure = isInsecure(given['CHAT_INSECURE']);
    const options = resolveAuthenticationOptions({
      authenticate,
      adminToken: given['CHAT_ADMIN_TOKEN'] ?? null,
      insecure,
    });
    if (authenticate === trusted && !insecure && !LOOPBACK.test(host)) throw unguarded(host);
    return options;
  } catch (error) {
    throw error instanceof ChatOptionsError ? inVariables(error) : error;
  }
}

/** Returns the claim that holds the user's name; null where no tokens are checked. */
export function readUserClaim(given: Readonly<Record<string, string>>): string | null {
  return given['CHAT_AUTH'] === 'jwt' ? (given[JWT_VARIABLES.userClaim] ?? 'sub') : null;
}

function authenticator(given: Readonly<Record<string, string>>): Authenticator {
  const auth = given['CHAT_AUTH'] ?? 'trusted';
  if (auth === 'jwt') {
    return jwt({
      secret: given[JWT_VARIABLES.secret],
      // A variable in an environment file has only one line, so the line breaks of a key are written as `\n`.
      publicKey: given[JWT_VARIABLES.publicKey]?.replaceAll('\\n', '\n'),
      jwksUrl: given[JWT_VARIABLES.jwksUrl],
      algorithm: given[JWT_VARIABLES.algorithm],
      userClaim: given[JWT_VARIABLES.userClaim],
      issuer: given[JWT_VARIABLES.issuer] ?? '',
      audience: given[JWT_VARIABLES.audience] ?? '',
    });
  }
  if (auth !== 'trusted') throw new EnvironmentError(`CHAT_AUTH is '${auth}'; give trusted or jwt.`);
  // Whoever sets one of these expects that tokens are checked.
  const unused = Object.values(JWT_VARIABLES).find((variable) => given[variable] !== undefined);
  if (unused)
    throw new EnvironmentError(`${unused} is given, but CHAT_AUTH is not jwt; set CHAT_AUTH=jwt, or leave it out.`);
  return trusted;
}

function isInsecure(value: string | undefined): boolean {
  if (value !== undefined && value !== '1') {
    throw new EnvironmentError(`CHAT_INSECURE is '${value}'; give 1, or leave it out.`);
  }
  return value === '1';
}

function unguarded(host: string): EnvironmentError {
  return new EnvironmentError(
    `HOST is '${host}', but anybody who reaches this server can be any user, and its administrator; set CHAT_AUTH=jwt, ` +
      'or give a loopback address such as 127.0.0.1, or accept it with CHAT_INSECURE=1.',
  );
}

/** Returns the same error with the names of the variables. It never quotes a value, as most of them are secrets. */
function inVariables({ option, problem, remedy }: ChatOptionsError): EnvironmentError {
  const advice = remedy.replace(/\w+/g, (word) => VARIABLES[word] ?? word);
  return new EnvironmentError(`${VARIABLES[option]} ${problem}; ${advice}.`);
}

/** The part of Fastify that is needed to see its routes when they are added. */
export interface FastifyInstance {
  readonly initialConfig: { readonly bodyLimit?: number };
  addHook(name: 'onRoute', hook: (this: FastifyInstance, route: FastifyRoute) => void): unknown;
  route(route: FastifyRoute): unknown;
}

type Handler = (this: unknown, request: FastifyRequest, reply: unknown) => unknown;

interface FastifyRoute {
  readonly method: string | readonly string[];
  readonly url: string;
  readonly handler: Handler;
  readonly constraints?: object;
  readonly exposeHeadRoute?: boolean;
  bodyLimit?: number;
}

interface FastifyRequest {
  readonly raw: { readonly url?: string };
  params: unknown;
}

/** Which routes are the chat's. */
export interface OurRoutes {
  readonly isOurs: (url: string) => boolean;
  readonly takesBody: (url: string) => boolean;
  readonly bodyLimit: number;
}

/** The default limit of a body in Fastify, in bytes. */
const BODY_LIMIT = 1024 * 1024;
const NAME = ':user';

/**
 * Lets the routes of the chat accept on Fastify what they accept on Express: a body with any content, and names of any
 * length. Fastify refuses a parameter of more than 100 characters (`maxParamLength`, which only the application can
 * set), but not what a `*` matches. So each route with a name in it gets a second one, for what the first one does not
 * match.
 */
export function equipFastify(fastify: FastifyInstance, { isOurs, takesBody, bodyLimit }: OurRoutes): void {
  const seconds = new Map<string, FastifyRoute[]>();
  fastify.addHook('onRoute', function (route) {
    if (takesBody(route.url)) route.bodyLimit = Math.max(bodyLimit, this.initialConfig.bodyLimit ?? BODY_LIMIT);
    const at = route.url.indexOf(NAME);
    if (at < 0 || !isOurs(route.url)) return;
    const url = `${route.url.slice(0, at)}*`;
    const key = `${String(route.method)} ${url}`;
    const firsts = seconds.get(key);
    if (firsts) return void firsts.push(route);
    const own = [route];
    seconds.set(key, own);
    this.route({
      method: route.method,
      url,
      exposeHeadRoute: false,
      ...(route.constraints ? { constraints: route.constraints } : {}),
      handler(request, reply) {
        for (const first of own) {
          const params = paramsOf(first.url, request.raw.url!);
          if (!params) continue;
          request.params = params;
          return first.handler.call(this, request, reply);
        }
        return (reply as { callNotFound(): unknown }).callNotFound();
      },
    });
  });
}

/** Returns the parameters of a path that matches the pattern; null if it does not match. */
function paramsOf(pattern: string, url: string): Record<string, string> | null {
  const [names, parts] = [pattern, url.split('?', 1)[0]!].map((path) => path.split('/')) as [string[], string[]];
  // An absolute target has three more parts in front, which do not matter: the route was found by the path.
  const path = parts.slice(-names.length);
  if (path.length < names.length || names.some((name, n) => !name.startsWith(':') && name !== path[n])) return null;
  const named = names.map((name, n) => [name, path[n]!] as const).filter(([name]) => name.startsWith(':'));
  return Object.fromEntries(named.map(([name, part]) => [name.slice(1), decodeURIComponent(part)]));
}

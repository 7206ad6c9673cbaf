import type { Server } from 'node:net';

/** The backlog that the kernel allows. With Node's 511 a storm of connections waits for TCP to try again. */
const BACKLOG = 4_096;

/** Listens on a free port of loopback and says so, which is what the benchmark waits for. */
export function listen(server: Server): void {
  server.listen({ host: '127.0.0.1', port: 0, backlog: BACKLOG }, () => {
    const address = server.address();
    if (typeof address === 'object') process.stdout.write(`listening on http://127.0.0.1:${address?.port}\n`);
  });
}

import type { WebSocket } from 'ws';
import { TestClient as Client } from '../../src/testing/test-client.js';
import { flawOf } from './frame-checks.js';

export { Refused, type Closed } from '../../src/testing/test-client.js';

/** The client of `holdfast/testing`. It also holds every JSON frame that comes against the AsyncAPI document. */
export class TestClient extends Client {
  private flaw: string | null = null;

  protected constructor(socket: WebSocket) {
    super(socket);
    socket.on('message', (data: Buffer) => {
      if (socket.protocol === 'chat.v1.json') this.flaw ??= flawOf(data.toString());
    });
  }

  static override async open(...given: Parameters<typeof Client.open>): Promise<TestClient> {
    return (await super.open(...given)) as TestClient;
  }

  /**
   * Calls this for every frame, at once and in order, with those that have come already: a listener on the socket would
   * miss what came together with the handshake. The queue keeps them, too.
   */
  listen(onFrame: (frame: string) => void): void {
    for (const frame of this.unread) onFrame(frame);
    this.socket.on('message', (data: Buffer) => onFrame(data.toString()));
  }

  override async next(): Promise<string> {
    const frame = await super.next();
    this.check();
    return frame;
  }

  override async close(): Promise<void> {
    await super.close();
    this.check();
  }

  private check(): void {
    if (this.flaw !== null) throw new Error(`the AsyncAPI document does not describe this frame: ${this.flaw}`);
  }
}

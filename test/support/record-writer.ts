import { OfflineMessageService } from '../../src/offline-messages/offline-message.service.js';
import { RecordRows } from '../../src/offline-messages/record-rows.js';
import { directionOf } from '../../src/protocol/conversation.js';
import type { Message } from '../../src/protocol/message.js';
import type { ChatApp } from './chat-app.js';

/** Writes into the record what was never sent, as the commit queue does. */
export class RecordWriter {
  private readonly rows: RecordRows;
  private tick = 0;

  constructor(app: ChatApp) {
    const { statements, fence } = app.app.get(OfflineMessageService).access;
    this.rows = new RecordRows(statements, fence);
  }

  /** Each is `[from, to, content]`; returns their positions, which rise. */
  async write(messages: readonly (readonly [from: string, to: string, content: string])[]): Promise<number[]> {
    const made = messages.map(([from, to, content]): Message & { readonly extras: { readonly position: number } } => {
      this.tick += 1;
      const position = this.tick * 4_096 + directionOf(from, to);
      return {
        id: `m${this.tick}`,
        from,
        to,
        content,
        sentAt: this.tick,
        extras: { position, meta: `{"n":"${content}"}` },
      };
    });
    await this.rows.together(() => this.rows.insert(made, []));
    return made.map(({ extras }) => extras.position);
  }
}

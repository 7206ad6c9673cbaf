import { Inject, Injectable } from '@nestjs/common';
import { Hold } from '../connections/reading.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { errors } from '../protocol/chat-error.js';
import type { RecordAnswer, RecordFrame } from '../protocol/frames.js';
import { RecordService } from '../record/record.service.js';
import { conversationsOf, historyOf, syncOf, toWireRecorded } from '../record/record-wire.js';
import type { SendQueue } from './send-queue.js';

/** How many messages of the rate each frame counts as: a page is dearer than a message. */
const COST: Readonly<Record<RecordFrame['event'], number>> = { history: 5, sync: 5, conversations: 5, read: 1 };

/**
 * Replies to what connections ask of the record, to each connection one frame after the other, in the order in which they
 * came. While one waits for those before it, the socket is not read: only what was read together with it waits here.
 * A connection that asks for nothing costs nothing.
 */
@Injectable()
export class RecordFrames {
  /** What waits behind the frame that is being answered, by connection. */
  private readonly waiting = new Map<SendQueue, RecordFrame[]>();

  constructor(
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(RecordService) private readonly record: RecordService,
  ) {}

  /** Handles a frame, now or after those before it. Returns false when nothing is recorded, which it tells the client. */
  handle(queue: SendQueue, frame: RecordFrame): boolean {
    if (this.options.record === null) {
      queue.fail(errors.notRecorded(frame.id));
      return false;
    }
    // Nothing is written to a connection that is closing, and its close frame has to be read.
    if (!queue.connection.ending.takesReplies) return true;
    const waiting = this.waiting.get(queue);
    if (waiting) {
      waiting.push(frame);
      queue.connection.reading.hold(Hold.RECORD);
    } else {
      void this.answerAll(queue, frame);
    }
    return true;
  }

  /** Replies to a frame and those that come meanwhile. It never rejects. */
  private async answerAll(queue: SendQueue, first: RecordFrame): Promise<void> {
    const { connection } = queue;
    const waiting: RecordFrame[] = [];
    this.waiting.set(queue, waiting);
    for (let frame: RecordFrame | undefined = first; frame; frame = waiting.shift()) {
      if (waiting.length === 0) connection.reading.release(Hold.RECORD);
      await this.waitForRate(queue, COST[frame.event]);
      if (!connection.ending.takesReplies) break;
      await this.answer(queue, frame);
    }
    this.waiting.delete(queue);
    connection.reading.release(Hold.RECORD);
  }

  /** Resolves when the rate of the connection allows the frame. */
  private async waitForRate({ connection, rateLimits }: SendQueue, cost: number): Promise<void> {
    for (let left = cost; left > 0 && connection.ending.takesReplies;) {
      const waitMs = rateLimits.takeFrame();
      if (waitMs === 0) left -= 1;
      else await new Promise<void>((resolve) => this.options.clock.after(waitMs, resolve));
    }
  }

  private async answer(queue: SendQueue, frame: RecordFrame): Promise<void> {
    const { connection } = queue;
    try {
      const peer = 'with' in frame.request ? frame.request.with : undefined;
      if (queue.mayAsk !== null && !(await queue.mayAsk(peer))) throw errors.notAllowed(frame.id);
      const answer = await this.ask(connection.user, frame);
      if (answer) connection.writeRecord(answer);
    } catch (error) {
      if (connection.ending.takesReplies) queue.fail(error, frame.id);
    }
  }

  private async ask(user: string, frame: RecordFrame): Promise<RecordAnswer | null> {
    const { id = '' } = frame;
    switch (frame.event) {
      case 'history':
        return {
          event: 'history',
          data: { id, ...historyOf(await this.record.history(user, frame.request), toWireRecorded) },
        };
      case 'sync':
        return { event: 'sync', data: { id, ...syncOf(await this.record.sync(user, frame.request), toWireRecorded) } };
      case 'conversations': {
        const page = await this.record.conversations(user, frame.request);
        return { event: 'conversations', data: { id, ...conversationsOf(page, toWireRecorded) } };
      }
      case 'read':
        await this.record.markRead(user, frame.request.with, frame.request.upTo);
        return null;
    }
  }
}

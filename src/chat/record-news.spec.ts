import { Logger } from '@nestjs/common';
import type { Delivery } from '../delivery/delivery.js';
import { Emitter } from '../options/emitter.js';
import type { Message } from '../protocol/message.js';
import type { MovedMark, News } from '../protocol/news.js';
import type { RecordService } from '../record/record.service.js';
import { RecordNews } from './record-news.js';

function open(present: readonly string[]) {
  const logger = new Logger('test');
  const [recorded, moved] = [new Emitter<Message>(logger, 'recorded'), new Emitter<MovedMark>(logger, 'moved')];
  const told: [string, News][] = [];
  const delivery = {
    ledger: { recorded },
    hears: (user: string) => present.includes(user),
    tell: (user: string, news: News) => void told.push([user, news]),
  };
  new RecordNews(delivery as unknown as Delivery, { moved } as unknown as RecordService);
  return { moved, recorded, told };
}

const message = { id: 'm1', from: 'alice', to: 'bob', content: 'x', sentAt: 0 };

describe('what changes in the record', () => {
  it('is told to its sender, and a mark to both sides', () => {
    const { moved, recorded, told } = open(['alice', 'bob', 'carol']);
    recorded.emit(message);
    const mark = { user: 'bob', with: 'alice', delivered: 3 };
    moved.emit(mark);
    const own = { user: 'carol', with: 'carol', read: 4 };
    moved.emit(own);
    expect(told).toEqual([
      ['alice', { echo: message }],
      ['bob', { mark }],
      ['alice', { mark }],
      ['carol', { mark: own }],
    ]);
  });

  it('is told to nobody who is away', () => {
    const { moved, recorded, told } = open(['bob']);
    recorded.emit(message);
    moved.emit({ user: 'alice', with: 'carol', read: 3 });
    expect(told).toEqual([]);
  });
});

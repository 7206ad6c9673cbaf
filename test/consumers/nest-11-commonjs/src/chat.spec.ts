import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ChatModule, ChatService, ChatWsAdapter } from 'holdfast';
import { IN_MEMORY, TestClient } from 'holdfast/testing';

describe('the chat in an application of CommonJS', () => {
  let app: INestApplication;

  beforeEach(async () => {
    const module = await Test.createTestingModule({
      imports: [ChatModule.forRoot({ ...IN_MEMORY, database: { type: 'better-sqlite3', database: ':memory:' } })],
    }).compile();
    app = module.createNestApplication({ logger: false });
    app.useWebSocketAdapter(new ChatWsAdapter(app));
    await app.listen(0, '127.0.0.1');
  });

  afterEach(() => app.close());

  it('delivers what the application sends', async () => {
    const bob = await TestClient.connect(app, 'bob');
    await app.get(ChatService, { strict: false }).send({ from: 'alice', to: 'bob', content: 'hello' });
    expect(await bob.next()).toBe('hello');
    await bob.close();
  });
});

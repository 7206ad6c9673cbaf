import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ChatService, ChatWsAdapter } from 'holdfast';
import { inMemory, TestClient } from 'holdfast/testing';
import { AppModule } from '../src/app.module.js';

describe('the chat of this application', () => {
  let app: INestApplication;

  beforeEach(async () => {
    const module = await inMemory(Test.createTestingModule({ imports: [AppModule] })).compile();
    app = module.createNestApplication();
    app.useWebSocketAdapter(new ChatWsAdapter(app));
    await app.listen(0, '127.0.0.1');
  });

  afterEach(() => app.close());

  it('keeps what comes while Bob is away', async () => {
    await app.get(ChatService, { strict: false }).send({ from: 'alice', to: 'bob', content: 'hello' });
    const bob = await TestClient.connect(app, 'bob');
    expect(await bob.next()).toMatch(/^\d{4}-.*Z:hello$/);
    await bob.close();
  });
});

import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ChatModule, ChatService, ChatWsAdapter } from 'holdfast';
import { IN_MEMORY, inMemory, TestClient } from 'holdfast/testing';
import { existsSync } from 'node:fs';
import { AppModule } from '../src/app.module';

const chat = ChatModule.forRoot(IN_MEMORY);

describe.each([
  ['of an application of CommonJS', inMemory(Test.createTestingModule({ imports: [AppModule] }))],
  ['alone', Test.createTestingModule({ imports: [chat] })],
])('the chat %s', (_what, builder) => {
  let app: INestApplication;

  beforeEach(async () => {
    const module = await builder.compile();
    app = module.createNestApplication({ logger: false });
    app.useWebSocketAdapter(new ChatWsAdapter(app));
    await app.listen(0, '127.0.0.1');
  });

  afterEach(() => app.close());

  it('delivers what the application sends, and writes no file', async () => {
    const bob = await TestClient.connect(app, 'bob');
    await app.get(ChatService, { strict: false }).send({ from: 'alice', to: 'bob', content: 'hello' });
    expect(await bob.next()).toBe('hello');
    await bob.close();
    expect(existsSync('chat.sqlite')).toBe(false);
  });
});

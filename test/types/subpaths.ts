import type { INestApplication } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import * as swagger from '@nestjs/swagger';
import { ChatModule } from 'holdfast';
import { ObservabilityModule } from 'holdfast/observability';
import { describeApi, describeSocket, type AsyncApiDocument } from 'holdfast/openapi';
import { IN_MEMORY, inMemory, TestClient } from 'holdfast/testing';
// @ts-expect-error
import { Mailbox } from 'holdfast/dist/delivery/mailbox.js';

declare const app: INestApplication;

const chat = ChatModule.forRoot({ ...IN_MEMORY, ackWindow: 2 });
ObservabilityModule.register(chat);
// @ts-expect-error
ObservabilityModule.register({});
describeApi(swagger);
// @ts-expect-error
describeApi({});
export const socket: AsyncApiDocument = describeSocket({ path: '/talk' });
// @ts-expect-error
describeSocket({ paths: '/talk' });

export const module: Promise<TestingModule> = inMemory(Test.createTestingModule({ imports: [chat] })).compile();
inMemory(Test.createTestingModule({}), { ackWindow: 2 }).overrideProvider('clock');
// @ts-expect-error
inMemory(Test.createTestingModule({}), { path: '/talk' });
// @ts-expect-error
inMemory(chat);

export async function talk(): Promise<Mailbox> {
  const client = await TestClient.connect(app, 'bob', { protocol: 'json' });
  const { data } = await client.nextJson('message');
  // @ts-expect-error
  const { status } = data;
  const seq: number | undefined = data.seq;
  // @ts-expect-error
  await client.nextJson('letter');
  await TestClient.connect(app, 'bob', { token: 'x', path: '/talk' });
  // @ts-expect-error
  await TestClient.connect(app, 'bob', { protocol: 'xml' });
  return [seq, status];
}

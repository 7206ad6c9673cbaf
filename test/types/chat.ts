import {
  ChatException,
  ChatModule,
  ChatService,
  CloseCode,
  OnChatEvent,
  outgoing,
  type Authorize,
  type ChatEvents,
  type ConnectionInfo,
  type ErrorCode,
  type Receipt,
} from 'holdfast';
import type { DataSource } from 'typeorm';

declare const chat: ChatService;

const receipt: Promise<Receipt> = chat.send({ from: 'alice', to: 'bob', content: 'hello', id: 'm1' });
void receipt.then(({ status }) => status === 'stored');
// @ts-expect-error
void receipt.then(({ status }) => status === 'read');
declare const dataSource: DataSource;
void dataSource.transaction((manager) =>
  chat.sendInTransaction(manager, { from: 'shop', to: 'bob', content: 'saved', notBefore: new Date() }),
);
// @ts-expect-error
void dataSource.transaction((manager) => chat.sendInTransaction(manager, { from: 'shop', content: 'to nobody' }));
const sent: boolean = await chat.cancelScheduled({ from: 'shop', to: 'bob', id: 'm1' });
void sent;
const { strings, parameters } = outgoing({ from: 'shop', to: 'bob', content: 'saved' });
void [strings.raw, parameters[0]];
void chat.broadcast({ from: 'system', content: 'hello' });
// @ts-expect-error
void chat.send({ from: 'alice', content: 'to nobody' });
// @ts-expect-error
void chat.broadcast({ from: 'system', to: 'bob', content: 'hello' });
const heard: Promise<number> = chat.signal({ from: 'alice', to: 'bob', kind: 'at', data: { line: 7 } });
// @ts-expect-error
void chat.signal({ from: 'alice', kind: 'at' });
const connections: readonly ConnectionInfo[] = await chat.connections('bob');
// @ts-expect-error
connections[0]!.user = 'alice';
const online: boolean = await chat.isOnline('bob');
const disconnected: number = await chat.disconnect('bob', 'see you');

export class Listeners {
  @OnChatEvent('stored') stored({ to, content, online }: ChatEvents['stored']): string {
    return online ? to : content;
  }
  @OnChatEvent('confirmed') async confirmed({ id }: { id: string }): Promise<void> {
    await Promise.resolve(id);
  }
  @OnChatEvent('waiting') async waiting({ user, from, newest, urgency }: ChatEvents['waiting']): Promise<string> {
    return Promise.resolve(`${user} ${from.length} ${newest.id} ${urgency === 'high'}`);
  }
  @OnChatEvent('connected') nothing(): void {}
  // @ts-expect-error
  @OnChatEvent('received') unknown(): void {}
  // @ts-expect-error
  @OnChatEvent('expired') tooMuch(_event: { content: string }): void {}
  // @ts-expect-error
  @OnChatEvent('connected') other(_event: ChatEvents['stored']): void {}
  // @ts-expect-error
  @OnChatEvent('stored') property = 1;
}

const authorize: Authorize = ({ to }, { user, principal }) => (to === undefined ? principal !== null : to !== user);
ChatModule.forRoot({ authorize });
ChatModule.forRoot({ authorize: async ({ content }) => Promise.resolve(content.length < 100) });
ChatModule.forRoot({
  authorize: (request) => (request.type === 'signal' ? request.kind === 'composing' : request.content !== ''),
});
ChatModule.forRoot({ authorize: ({ content }) => content.length < 100 || { content: content.slice(0, 100) } });
// @ts-expect-error
ChatModule.forRoot({ authorize: () => 'yes' });
// @ts-expect-error the recipient cannot be changed
ChatModule.forRoot({ authorize: () => ({ to: 'carol' }) });
// @ts-expect-error
ChatModule.forRoot({ authorize: ({ to }) => to.length > 0 });
// @ts-expect-error
ChatModule.forRoot({ authorize: ({ seq }) => seq > 0 });

const code: ErrorCode = new ChatException('MAILBOX_FULL', 'full').code;
// @ts-expect-error
new ChatException('FULL', 'full');
const closed: 4409 = CloseCode.REPLACED;
export const used = [code, closed, heard, online, disconnected];

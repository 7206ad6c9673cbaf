import { ChatModule, jwt, trusted, type ChatModuleOptions, type ChatOptionsFactory } from 'holdfast';

ChatModule.forRoot();
ChatModule.forRoot({ path: '/talk', isGlobal: true, sessions: 'multiple', maxPendingPerUser: null });
ChatModule.forRoot({ authenticate: trusted, adminToken: null, insecure: true });
ChatModule.forRoot({ database: { type: 'better-sqlite3', database: ':memory:' } });
// @ts-expect-error
ChatModule.forRoot({ maxPending: 1 });
// @ts-expect-error
ChatModule.forRoot({ ackWindow: '256' });
// @ts-expect-error
ChatModule.forRoot({ sessions: 'several' });
// @ts-expect-error
ChatModule.forRoot({ ackWindow: null });
ChatModule.forRoot({ database: 'sqlite:data/holdfast.sqlite' });
// @ts-expect-error
ChatModule.forRoot({ database: 5 });

const issuer = 'https://id.example.com';
ChatModule.forRoot({ authenticate: jwt({ secret: process.env['SECRET'], issuer, audience: 'chat' }) });
ChatModule.forRoot({ authenticate: (request) => ({ user: String(request.headers['x-user']) }) });
ChatModule.forRoot({ authenticate: () => Promise.resolve({ user: 'bob', expiresAt: Date.now(), isAdmin: false }) });
// @ts-expect-error
jwt({ secret: 'x', audience: 'chat' });
// Its value depends on the key, and is checked at the start.
jwt({ secret: 'x', issuer, audience: 'chat', algorithm: 'none' });
// @ts-expect-error
ChatModule.forRoot({ authenticate: () => 'bob' });

class Factory implements ChatOptionsFactory {
  createChatOptions(): ChatModuleOptions {
    return {};
  }
}
class NoFactory {}
class Settings {
  readonly ackWindow = 128;
}

ChatModule.forRootAsync({ path: '/talk', isGlobal: true, useClass: Factory });
ChatModule.forRootAsync({ imports: [], useExisting: Factory });
ChatModule.forRootAsync({ inject: [Settings], useFactory: ({ ackWindow }: Settings) => ({ ackWindow }) });
ChatModule.forRootAsync({ useFactory: () => Promise.resolve({ database: { type: 'sqlite', database: 'x' } }) });
// @ts-expect-error
ChatModule.forRootAsync();
// @ts-expect-error
ChatModule.forRootAsync({ useClass: NoFactory });
// @ts-expect-error
ChatModule.forRootAsync({ useFactory: () => ({ ackWindow: '256' }) });
// @ts-expect-error
ChatModule.forRootAsync({ useFactory: () => ({}), sessions: 'multiple' });

import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { ChatModule, ChatService } from '../../../src/index.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { HostApp } from '../../support/host-app.js';

@Entity()
class Order {
  @PrimaryColumn({ type: 'integer' }) id!: number;
  @Column({ type: 'varchar' }) buyer!: string;
  @Column({ type: 'boolean' }) shipped!: boolean;
}

@Entity()
class Outbox {
  @PrimaryColumn({ type: 'varchar' }) id!: string;
  @Column({ type: 'varchar' }) to!: string;
  @Column({ type: 'varchar' }) content!: string;
}

const ORDER: Order = { id: 7, buyer: 'bob', shipped: false };

describe('an application with a database of its own', () => {
  let host: HostApp;
  let dataSource: DataSource;
  let chat: ChatService;

  beforeEach(async () => {
    host = await HostApp.start({ imports: [ChatModule.forRoot(IN_MEMORY)] });
    chat = host.app.get(ChatService, { strict: false });
    dataSource = await new DataSource({
      type: 'sqlite',
      database: ':memory:',
      entities: [Order, Outbox],
      synchronize: true,
    }).initialize();
    await dataSource.manager.insert(Order, ORDER);
  });
  afterEach(async () => {
    await dataSource.destroy();
    await host.close();
  });

  // As docs/embedding.md has it.
  async function ship(order: Order): Promise<void> {
    await dataSource.transaction(async (manager) => {
      await manager.save(Order, { id: order.id, shipped: true });
      await manager.save(Outbox, { id: `shipped-${order.id}`, to: order.buyer, content: 'on its way' });
    });
    await sendFromOutbox();
  }

  /** Also at the start, and from time to time. */
  async function sendFromOutbox(): Promise<void> {
    for (const { id, to, content } of await dataSource.manager.find(Outbox)) {
      await chat.send({ from: 'shop', to, content, id }); // once more after a crash: the same id is taken once
      await dataSource.manager.delete(Outbox, { id });
    }
  }

  it('has sent what it sends inside of a transaction, also when that is rolled back', async () => {
    const failing = dataSource.transaction(async () => {
      await chat.send({ from: 'shop', to: 'bob', content: 'on its way' });
      throw new Error('no stock');
    });
    await expect(failing).rejects.toThrow('no stock');
    expect(await chat.pending('bob')).toBe(1);
  });

  it('sends from an outbox what was committed, and nothing else', async () => {
    await ship(ORDER);
    expect([await chat.pending('bob'), await dataSource.manager.count(Outbox)]).toEqual([1, 0]);
    await expect(ship({ id: 8, buyer: 'nobody', shipped: false })).rejects.toThrow('NOT NULL');
    await sendFromOutbox();
    expect(await chat.pending('bob')).toBe(1);
  });

  it('sends once what it sends again because it died before the outbox was emptied', async () => {
    const remove = dataSource.manager.delete.bind(dataSource.manager);
    dataSource.manager.delete = () => Promise.reject(new Error('killed'));
    await expect(ship(ORDER)).rejects.toThrow('killed');
    dataSource.manager.delete = remove;
    await sendFromOutbox();
    expect([await chat.pending('bob'), await dataSource.manager.count(Outbox)]).toEqual([1, 0]);
  });
});

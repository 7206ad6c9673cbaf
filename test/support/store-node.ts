import { DataSource } from 'typeorm';
import { nodeOf } from '../../src/database/postgres-store.js';
import { openStore, reopenStore } from '../../src/database/store-data-source.js';
import { storeOptions } from '../../src/database/store-options.js';
import { mailboxKeyOf, type StoreOutcome } from '../../src/delivery/mailbox-store.js';
import { OfflineMessageService } from '../../src/offline-messages/offline-message.service.js';
import { IN_MEMORY } from '../../src/offline-messages/store-handle.js';
import { resolveChatOptions, type ChatOptions } from '../../src/options/chat.options.js';
import { ManualClock } from './manual-clock.js';

/** The store of one server, or of a node, whose clock stands still. */
export class StoreUnderTest {
  /** What became of each message that was stored, by its id. */
  readonly outcomes = new Map<string, StoreOutcome['status']>();

  private constructor(
    readonly dataSource: DataSource,
    readonly service: OfflineMessageService,
    readonly clock: ManualClock,
  ) {}

  static async open(url: string, isNode: boolean, options: Partial<ChatOptions> = {}): Promise<StoreUnderTest> {
    const clock = new ManualClock();
    const dataSource = await openStore(storeOptions(url), isNode ? { id: null } : null);
    const handled = { ...IN_MEMORY, reopen: () => reopenStore(dataSource) };
    const chatOptions = resolveChatOptions({ clock, ...options });
    const service = new OfflineMessageService(dataSource, chatOptions, handled, null, nodeOf(dataSource));
    await service.open();
    return new StoreUnderTest(dataSource, service, clock);
  }

  get node() {
    return this.service.node!;
  }

  /** Asks for a message to be stored; one that is kept is tried again until it is. */
  store(to: string, id: string, position: number, mustKeep = false): void {
    const message = { id, from: 'ann', to, content: id, sentAt: 1 };
    const mailbox = mailboxKeyOf(to);
    const onSettled = ({ status }: StoreOutcome) => void this.outcomes.set(id, status);
    this.service.store({ mailbox, message, position, bytes: 1, mustKeep, hasEnded: false, onSettled });
  }

  remove(to: string, id: string, position: number): void {
    const row = { mailbox: mailboxKeyOf(to), to, from: 'ann', id, position, bytes: 1, sentAt: 1 };
    this.service.remove(row, 'confirmed');
  }

  async close(): Promise<void> {
    await this.service.close();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }
}

/** The database of a test, from outside. */
export class Outside {
  private constructor(readonly connection: DataSource) {}

  static async connect(url: string): Promise<Outside> {
    return new Outside(await new DataSource({ type: 'postgres', url, poolSize: 2 }).initialize());
  }

  /** Makes the row of a node; returns its id. */
  async addNode(): Promise<number> {
    const [row] = await this.connection.query<{ id: string }[]>(
      `INSERT INTO holdfast_node (id, beat, release) VALUES (nextval('holdfast_node_id'), now(), '1') RETURNING id`,
    );
    return Number(row!.id);
  }

  deleteNode(id: number): Promise<unknown> {
    return this.connection.query('DELETE FROM holdfast_node WHERE id = $1', [id]);
  }

  /** The ids of the messages of a user, in order. */
  async idsFor(user: string): Promise<string[]> {
    const rows = await this.connection.query<{ id: string }[]>(
      'SELECT id FROM holdfast_offline_message WHERE recipient = $1 ORDER BY position',
      [user],
    );
    return rows.map(({ id }) => id);
  }

  close(): Promise<void> {
    return this.connection.destroy();
  }
}

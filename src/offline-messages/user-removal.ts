import { mailboxKeyOf, type StoredHeader } from '../delivery/mailbox-store.js';
import { REMOVED_AT_ONCE, type MassRemoval } from './mass-removal.js';
import { HEADER } from './message-columns.js';
import type { NoticeTable } from './notice.table.js';
import type { OfflineMessageTable } from './offline-message.table.js';
import { filterOf, parametersOf } from './slot-set.js';
import type { StoreAccess } from './store-access.js';

const TABLE = 'holdfast_offline_message';

/** Removes from the store what waits for a user, and what the user has sent. On a node, in its slots alone. */
export class UserRemoval {
  private readonly ofSlots: string;

  constructor(
    private readonly access: StoreAccess,
    private readonly table: Pick<OfflineMessageTable, 'oldest'>,
    private readonly notices: Pick<NoticeTable, 'removeOfEmpty'>,
    private readonly massRemoval: MassRemoval,
  ) {
    this.ofSlots = filterOf(access.slots);
  }

  /** Returns how many messages it has removed, which end as `purged`. Rejects with STORE_UNAVAILABLE. */
  async purge(user: string): Promise<number> {
    const mailbox = mailboxKeyOf(user);
    // The slot may go to another node meanwhile, which removes the rest.
    const received = async () =>
      (this.access.slots?.has(mailbox) ?? true) ? this.table.oldest(mailbox, REMOVED_AT_ONCE) : [];
    const purged =
      (await this.massRemoval.removeWhile(received, 'purged')) +
      (await this.massRemoval.removeWhile(() => this.sentBy(user), 'purged'));
    await this.notices.removeOfEmpty([mailbox]);
    return purged;
  }

  private async sentBy(user: string): Promise<StoredHeader[]> {
    const { records } = await this.access.statements.query<StoredHeader>(
      `SELECT ${HEADER} FROM ${TABLE} WHERE sender = ?${this.ofSlots} LIMIT ?`,
      [user, ...parametersOf(this.access.slots), REMOVED_AT_ONCE],
    );
    return records;
  }
}

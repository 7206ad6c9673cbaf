import { LogStore } from './log-store.js';
import type { Store } from './store.js';

export { fileRecord } from './record/file-record-store.js';

/**
 * Opens a store in a file, for Node: outbox and inbox survive the process, kill -9 and a power cut. The file is made if
 * it is not there, and only its owner may read it; its folder has to be there. It holds messages as they are, not
 * encrypted.
 *
 * One process has it at a time: a second one is refused as long as the first is alive (`FILE.lock`). On a network disk
 * nobody sees whether a process of another machine is alive, so a crash there leaves a lock that a person has to delete.
 *
 * Rejects with an Error when another process has the file, when it is not a store, or when the system refuses. A write
 * that fails, as on a full disk, rejects, and takes nothing away of what is there.
 */
export function fileStore(path: string): Promise<Store> {
  return LogStore.open(path);
}

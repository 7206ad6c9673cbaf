import { open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';

/** What this process holds. Its id may be that of a dead one, as in a container, so the file alone does not tell. */
const held = new Set<string>();

/**
 * A file that says which process may write. A process that has died on this machine does not keep it. One of another
 * machine, as on a network disk, or of another container does: nobody here can see whether that process is alive, so a
 * person has to delete the file. Two processes that find the file of a dead one at the same moment may both take it;
 * `check` tells the first of them.
 */
export class LockFile {
  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
  ) {}

  /** Rejects with an Error for people when another process, or another store of this one, has it. */
  static async acquire(path: string): Promise<LockFile> {
    if (held.has(path)) throw new Error('this process uses this store already');
    held.add(path);
    try {
      return new LockFile(path, await create(path));
    } catch (error) {
      held.delete(path);
      throw error;
    }
  }

  /** Rejects when somebody has removed the file, so that it may belong to another process by now. */
  async check(): Promise<void> {
    const { nlink } = await this.handle.stat();
    if (nlink === 0) throw new Error('another process has taken this store over');
  }

  async release(): Promise<void> {
    const { nlink } = await this.handle.stat();
    await this.handle.close();
    if (nlink > 0) await rm(this.path, { force: true });
    held.delete(this.path);
  }
}

async function create(path: string): Promise<FileHandle> {
  for (;;) {
    try {
      const handle = await open(path, 'wx', 0o600);
      return await signed(handle, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    await removeIfDead(path);
  }
}

async function signed(handle: FileHandle, path: string): Promise<FileHandle> {
  try {
    await handle.writeFile(`${process.pid}@${hostname()}`);
    return handle;
  } catch (error) {
    await handle.close();
    await rm(path, { force: true });
    throw error;
  }
}

async function removeIfDead(path: string): Promise<void> {
  let holder: string;
  try {
    holder = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // It was released meanwhile.
    throw error;
  }
  const [, pid, host] = /^([1-9]\d*)@(.+)$/s.exec(holder) ?? [];
  // A file that says nothing is just being written.
  if (pid === undefined || host !== hostname()) {
    throw new Error(`another process uses this store; if that has ended, delete ${path}`);
  }
  if (isAlive(Number(pid))) {
    throw new Error(`process ${pid} uses this store; end it, or delete ${path} if that is another program`);
  }
  await rm(path, { force: true });
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false; // An earlier process had this id: `held` would say if it were this one.
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

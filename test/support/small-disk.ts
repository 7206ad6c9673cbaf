import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A file system of a few MiB in memory, which can be filled to the last byte. Mounting one takes root. */
export class SmallDisk {
  private constructor(readonly folder: string) {}

  /** Returns whether this machine lets a test mount one. */
  static isPermitted(): boolean {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-mount-'));
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'holdfast-test', folder]);
    if (status === 0) spawnSync('umount', [folder]);
    rmSync(folder, { recursive: true });
    return status === 0;
  }

  static async mount(mib: number): Promise<SmallDisk> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-disk-'));
    await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'holdfast-test', folder]);
    return new SmallDisk(folder);
  }

  get free(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** Fills all free space, as another program's log does. */
  async fill(): Promise<void> {
    const file = await open(join(this.folder, 'hog'), 'a');
    const chunk = Buffer.alloc(4_096, '.');
    try {
      for (;;) await file.write(chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      await file.close();
    }
  }

  /** Frees what `fill` took. */
  async empty(): Promise<void> {
    await rm(join(this.folder, 'hog'), { force: true });
  }

  async unmount(): Promise<void> {
    await promisify(execFile)('umount', [this.folder]);
    await rm(this.folder, { recursive: true });
  }
}

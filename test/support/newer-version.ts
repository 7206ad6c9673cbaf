import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** A migration as the next version may have one. */
const MIGRATION = `
migrations.push(class AdditiveStars9999999999999 {
  name = 'AdditiveStars9999999999999';
  up = (runner) => runner.query('ALTER TABLE holdfast_offline_message ADD COLUMN stars integer');
  down = (runner) => runner.query('ALTER TABLE holdfast_offline_message DROP COLUMN stars');
});
`;

/**
 * The built server as a version after this one may be: it has another number, one column, one frame between nodes and
 * one item in each frame more.
 */
export class NewerVersion {
  private constructor(private readonly folder: string) {}

  static async make(): Promise<NewerVersion> {
    const version = new NewerVersion(await mkdtemp(join(tmpdir(), 'holdfast-newer-')));
    await version.fill();
    return version;
  }

  get program(): readonly string[] {
    return [process.execPath, join(this.folder, 'dist/main.js')];
  }

  async dispose(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }

  private async fill(): Promise<void> {
    await symlink(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'));
    for (const part of ['dist', 'public', 'package.json']) {
      await cp(join(ROOT, part), join(this.folder, part), { recursive: true });
    }
    await this.change('package.json', /"version": "[^"]+"/, '"version": "99.0.0"');
    await this.change('dist/database/migrations/index.js', /$/, MIGRATION);
    await this.change(
      'dist/cluster/bus-link.js',
      'const text = JSON.stringify(frame);',
      `if (frame[0] === 'send') this.batch.push('["stars",1,5]');
       const text = JSON.stringify([...frame, { stars: 5 }]);`,
    );
  }

  private async change(file: string, from: string | RegExp, to: string): Promise<void> {
    const path = join(this.folder, file);
    const before = await readFile(path, 'utf8');
    const after = before.replace(from, () => to);
    if (after === before) throw new Error(`${file} has nothing to change any more`);
    await writeFile(path, after);
  }
}

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';

export interface Migration {
  readonly version: number;
  readonly file: string;
  /** As written: `lockd.` stands for the schema. */
  readonly sql: string;
  readonly checksum: string;
}

const folder = new URL('../../migrations/', import.meta.url);

let shipped: Promise<readonly Migration[]> | undefined;

/** The numbered files of this package, in order; read once. */
export function shippedMigrations(): Promise<readonly Migration[]> {
  shipped ??= readMigrations(folder);
  return shipped;
}

export async function readMigrations(from: URL): Promise<readonly Migration[]> {
  const files = (await readdir(from)).filter((file) => /^\d{4}_\w+\.sql$/.test(file)).sort();
  return Promise.all(
    files.map(async (file, index) => {
      const version = Number(file.slice(0, 4));
      if (version !== index + 1) throw new Error(`Migration ${file} is out of sequence.`);
      // A checkout may have turned line ends around; that is no edit.
      const sql = (await readFile(new URL(file, from), 'utf8')).replaceAll('\r\n', '\n');
      return { version, file, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

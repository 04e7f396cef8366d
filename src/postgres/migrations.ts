import { createHash } from 'node:crypto';
import { texts } from './migrations-text.ts';

export interface Migration {
  readonly version: number;
  readonly file: string;
  /** As written: `lockd.` stands for the schema. */
  readonly sql: string;
  readonly checksum: string;
}

/** Of this package, in order. In the code: beside a bundle there may be a folder of somebody else. */
export const shippedMigrations: readonly Migration[] = Object.entries(texts).map(([file, sql]) => ({
  version: Number(file.slice(0, 4)),
  file,
  sql,
  checksum: createHash('sha256').update(sql).digest('hex'),
}));

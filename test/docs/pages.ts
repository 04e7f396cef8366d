import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Relative to the root. */
export const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

const inFolder = (folder: string): string[] =>
  readdirSync(`${root}${folder}`)
    .filter((file) => file.endsWith('.md'))
    .map((file) => `${folder}${file}`);

/** What a newcomer reads first, sample by sample. */
export const guides: readonly string[] = ['README.md', ...inFolder('docs/')];

/** Every page that is linked from somewhere. */
export const pages: readonly string[] = ['', 'docs/', 'docs/deploy/'].flatMap(inFolder);

import { existsSync } from 'node:fs';

/** A compiled module, for scripts that run in a Node of their own, which may not know TypeScript. */
export function built(path: string): URL {
  const url = new URL(`../../dist/${path}`, import.meta.url);
  if (!existsSync(url)) throw new Error(`${url.pathname} is missing: \`npm run build\` makes it.`);
  return url;
}

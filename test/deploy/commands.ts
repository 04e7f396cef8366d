import { expect } from 'vitest';
import { lockd } from '../support/cli.ts';

/**
 * That the command line takes these words, with these variables: it has read them all when it finds that
 * the database it is given is none.
 */
export async function expectAccepted(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { stderr } = await lockd(words, { ...env, DATABASE_URL: '' });
  expect(stderr, words.join(' ')).toMatch(/Expected DATABASE_URL to name a database/);
}

/** The words behind the program, which is lockd by one of its names. */
export function argumentsOf(words: readonly string[]): readonly string[] {
  const at = words.findIndex((word) => /(^|\/)lockd(\.js)?$/.test(word));
  expect(at, `lockd is among ${words.join(' ')}`).not.toBe(-1);
  return words.slice(at + 1);
}

/** What follows a flag, in ms; undefined where it is not given. */
export function flagMs(words: readonly string[], flag: string): number | undefined {
  const at = words.indexOf(flag);
  return at === -1 ? undefined : inMs(words[at + 1] as string);
}

export function inMs(text: string): number {
  const [, number, unit] = /^(\d+)(ms|s|m)$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`${text} is no duration`);
  return Number(number) * { ms: 1, s: 1_000, m: 60_000 }[unit as 'ms' | 's' | 'm'];
}

/** From the KILL of a command, or the end of a drain, until the seat is let go and the process has ended. */
export const marginMs = 5_000;

/** How sessions and what they do are named in a sentence. */
import type { FenceFacts, SessionFacts } from './picture.ts';

export function sessionText({
  backend,
  user,
  applicationName,
  address,
  state,
  stateMs,
}: SessionFacts): string {
  const facts = [
    applicationName,
    user === undefined ? undefined : `user ${user}`,
    address === undefined ? undefined : `from ${address}`,
    state === undefined || stateMs === undefined ? undefined : `${state} for ${seconds(stateMs)}`,
  ].filter((fact) => fact !== undefined && fact !== '');
  return `session ${backend}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`;
}

/** Of a fenced transaction. */
export function transactionText(blocker: FenceFacts): string {
  const { backend, prepared, transactionMs, query, ...facts } = blocker;
  if (backend === undefined) return `the prepared transaction ${quoted(prepared ?? '?')}`;
  const since = transactionMs === undefined ? '' : ` begun ${seconds(transactionMs)} ago`;
  const last = (query ?? '') === '' ? '' : `, last statement ${quoted(query ?? '')}`;
  return `one${since} in ${sessionText({ ...facts, backend })}${last}`;
}

const quotedLength = 120;

/** Anybody's text: in one line, of bounded length, and nothing in it moves a cursor or turns a line around. */
export function quoted(text: string): string {
  const line = [...text.trim().replaceAll(/\s+/g, ' ')];
  const cut = line.length > quotedLength ? [...line.slice(0, quotedLength), '…'] : line;
  return `"${cut.join('').replaceAll(unprintable, (one) => `\\u{${one.codePointAt(0)?.toString(16)}}`)}"`;
}

const unprintable = /[\p{Cc}\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

export const seconds = (ms: number): string => `${(Math.max(0, ms) / 1000).toFixed(1)} s`;

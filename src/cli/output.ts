/** What every verb prints with. Answers go to stdout; everything about them goes to stderr. */
import { toJson } from '../core/json.ts';

export function print(text: string): void {
  process.stdout.write(`${redact(text)}\n`);
}

/** SQL, which is meant to be run: nothing in it may be shown by something else. */
export function printScript(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function say(text: string): void {
  process.stderr.write(`${printable(redact(text))}\n`);
}

/** As the library writes it, without the passwords. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(toJson(value), redacted, 2)}\n`);
}

/** One line, for who reads one answer after another. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(toJson(value), redacted)}\n`);
}

/** One line on stderr, for where stdout belongs to somebody else. */
export function sayJson(value: unknown): void {
  process.stderr.write(`${JSON.stringify(toJson(value), redacted)}\n`);
}

const redacted = (_key: string, member: unknown): unknown =>
  typeof member === 'string' ? redact(member) : member;

/** Rows under a head, every column as wide as its widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => width(cells[column]))));
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const width = (cell = ''): number => [...cell].length;

/**
 * Labels and application names are anybody's text: what could move a cursor or turn a line around
 * is shown by its number. Line feeds stay: our own messages have them.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) =>
      character === '\n' ? character : `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** In one line, whatever the text. */
export const cell = (text: string): string => printable(text).replaceAll('\n', '\\u{a}');

/**
 * Passwords never leave this process, not even inside somebody else's error message. Rather too
 * much than too little: a password may hold an @ or a space that nobody encoded.
 */
export function redact(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@?#]*):.*@/gi, '$1:***@')
    .replace(/\b(\w*password\w*\s*=\s*)('[^']*'|"[^"]*"|[^\s&]+)/gi, '$1***');
}

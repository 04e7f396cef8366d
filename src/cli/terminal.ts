import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';

/** A shell that ends hangs up first, and takes the terminal with it a moment later. */
const settleMs = 250;

/**
 * Tells a terminal that was closed from a HUP that means "read your settings again". Below `nohup`
 * no standard stream is a terminal, and its end means nothing.
 */
export class Terminal {
  readonly #isOurs = [0, 1, 2].some((descriptor) => isatty(descriptor)) && hasTerminal();
  #timer: NodeJS.Timeout | undefined;

  /** After a HUP: calls back if the terminal is gone. */
  hungUp(close: () => void): void {
    if (!this.#isOurs) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!hasTerminal()) close();
    }, settleMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** As if each signal had its own: it goes with the signal. */
const audiences = new WeakMap<AbortSignal, Audience>();

/**
 * Calls back when the signal aborts, and at once where it has. Returns how to cancel. There is one
 * listener at a signal, however many ask: a thousand waits under one would be taken for a leak.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) {
    callback();
    return () => {};
  }
  const audience = audiences.get(signal) ?? new Audience(signal);
  audiences.set(signal, audience);
  return audience.join(callback);
}

class Audience {
  readonly #signal: AbortSignal;
  readonly #members = new Set<{ readonly callback: () => void }>();
  readonly #tell = (): void => {
    for (const { callback } of this.#members) callback();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  join(callback: () => void): () => void {
    if (this.#members.size === 0) {
      this.#signal.addEventListener('abort', this.#tell, { once: true });
    }
    const member = { callback };
    this.#members.add(member);
    return () => {
      this.#members.delete(member);
      if (this.#members.size === 0) this.#signal.removeEventListener('abort', this.#tell);
    };
  }
}

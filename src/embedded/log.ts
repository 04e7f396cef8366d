const keptCharacters = 1024 * 1024;

/** What a server has said on stderr: a bounded text, and the lines as they come. */
export class ServerLog {
  #text = '';
  #unfinished = '';
  readonly #watchers = new Set<(line: string) => void>();

  append(chunk: string): void {
    this.#text = `${this.#text}${chunk}`.slice(-keptCharacters);
    const lines = `${this.#unfinished}${chunk}`.split('\n');
    this.#unfinished = lines.pop() ?? '';
    for (const line of lines) for (const watch of [...this.#watchers]) watch(line);
  }

  text(): string {
    return this.#text;
  }

  tail(): string {
    return this.#text.trimEnd().split('\n').slice(-20).join('\n');
  }

  /** The next line that matches; never settles once `signal` is aborted. */
  next(pattern: RegExp, signal: AbortSignal): Promise<string> {
    return new Promise((resolve) => {
      const watch = (line: string) => {
        if (!pattern.test(line)) return;
        this.#watchers.delete(watch);
        resolve(line);
      };
      this.#watchers.add(watch);
      signal.addEventListener('abort', () => this.#watchers.delete(watch), { once: true });
    });
  }
}

import { constants } from 'node:os';
import { deferred } from '../core/deferred.ts';
import { type Ending, type EndingOptions, endGroup } from './ending.ts';
import { type Group, signalGroup } from './group.ts';
import { type Stub, spawnStub } from './stub.ts';

/** The command, from the stub that waits for the word to the last process of its group. */
export class Command {
  /** How it ended, as a shell says it: its exit code, or 128 and the signal. */
  readonly exited: Promise<number>;
  readonly #stub: Stub;
  #isStarted = false;
  #isImpatient = false;
  #ending: Ending | undefined;

  private constructor(stub: Stub) {
    this.#stub = stub;
    const exited = deferred<number>();
    stub.child.once('exit', (code, signal) => {
      exited.resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
    this.exited = exited.promise;
  }

  static async prepare(words: readonly string[], env: NodeJS.ProcessEnv): Promise<Command> {
    return new Command(await spawnStub(words, env));
  }

  get group(): Group {
    return this.#stub.group;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  start(): void {
    this.#stub.go();
    this.#isStarted = true;
  }

  /** Not to the stub: it would end of what the command knows how to handle. */
  signal(signal: NodeJS.Signals): void {
    if (this.#isStarted) signalGroup(this.group, signal);
  }

  /** Resolves when nobody of its group is left. */
  async end(options: Omit<EndingOptions, 'exited'>): Promise<void> {
    this.#ending = endGroup(this.group, { ...options, exited: this.exited });
    if (this.#isImpatient) this.#ending.hurry();
    await this.#ending.gone;
  }

  /** No more grace once it is told to end, or where it is already. */
  hurry(): void {
    this.#isImpatient = true;
    this.#ending?.hurry();
  }

  get isEnding(): boolean {
    return this.#ending !== undefined;
  }
}

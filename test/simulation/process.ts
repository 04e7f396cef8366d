import type { Machine } from './machine.ts';
import type { World } from './world.ts';

/** What its kernel closes when it dies. */
interface Socket {
  orphan(isMachineDead: boolean): void;
}

/**
 * One process. Frozen, nothing of it runs; with its event loop blocked, its code runs and can ask
 * the gate, but no timer and no message reaches it. What it missed comes when it goes on.
 */
export class Process {
  readonly name: string;
  readonly machine: Machine;
  readonly #world: World;
  readonly #resumed: () => void;
  readonly #missed: (() => void)[] = [];
  #frozenUntil = 0;
  #blockedUntil = 0;
  #died: { readonly withMachine: boolean } | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(world: World, machine: Machine, name: string, resumed: () => void = () => {}) {
    this.#world = world;
    this.machine = machine;
    this.name = name;
    this.#resumed = resumed;
  }

  get isAlive(): boolean {
    return this.#died === undefined;
  }

  /** Whether code of it runs at this instant. */
  get isRunning(): boolean {
    return this.isAlive && this.#frozenUntil <= this.#world.now && !this.machine.isSuspended;
  }

  get isListening(): boolean {
    return this.isRunning && this.#blockedUntil <= this.#world.now;
  }

  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#world.now + ms);
    this.#world.at(this.#frozenUntil, () => this.goOn());
  }

  block(ms: number): void {
    this.#blockedUntil = Math.max(this.#blockedUntil, this.#world.now + ms);
    this.#world.at(this.#blockedUntil, () => this.goOn());
  }

  /** Whatever held it up is over. */
  wake(): void {
    this.#frozenUntil = 0;
    this.#blockedUntil = 0;
    this.goOn();
  }

  kill(isMachineDead = false): void {
    if (!this.isAlive) return;
    this.#died = { withMachine: isMachineDead };
    this.#missed.length = 0;
    for (const socket of this.#sockets) socket.orphan(isMachineDead);
  }

  opened(socket: Socket): void {
    this.#sockets.add(socket);
    // Promises of a dead process go on here: what they still open has nobody either.
    if (this.#died !== undefined) socket.orphan(this.#died.withMachine);
  }

  closed(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  /** Everything that reaches it from outside: timers and messages. */
  deliver(callback: () => void): void {
    if (!this.isAlive) return;
    if (this.isListening && this.#missed.length === 0) callback();
    else this.#missed.push(callback);
  }

  /** What a process does first on going on is what it was about to do: ask the gate and act. */
  goOn(): void {
    if (!this.isRunning) return;
    this.#resumed();
    this.#catchUp();
  }

  #catchUp(): void {
    if (!this.isListening) return;
    this.#missed.shift()?.();
    if (this.#missed.length > 0) this.#world.after(0, () => this.#catchUp());
  }
}

import { LockdError } from '../../src/core/errors.ts';
import type { NoticeKind } from '../../src/core/store.ts';
import { Backend } from './backend.ts';
import { Database, type LeaseRow } from './database.ts';
import { Lock } from './locks.ts';
import type { Message, Request } from './messages.ts';
import type { Link } from './network.ts';
import { WallClock } from './wall-clock.ts';
import type { World } from './world.ts';

/** Who is told what happens inside: the judge, and what waits for its moment. */
export interface Observer {
  asked(backend: Backend, request: Request): void;
  attempted(backend: Backend, isGranted: boolean): void;
  taken(backend: Backend, token: bigint, before: LeaseRow, instance: string): void;
  marked(token: bigint, by: 'release' | 'confession' | 'testimony'): void;
  unlocked(token: bigint): void;
  fencedCommit(token: bigint): void;
}

type Status = 'up' | 'shutting-down' | 'down';

/** A PostgreSQL server and the standby that may take its place, for one name. */
export class Server {
  readonly database: Database;
  readonly wall: WallClock;
  readonly seat = new Lock<Backend>();
  readonly gate = new Lock<Backend>();
  /** The lock of the lease row, held until its writer commits. */
  readonly row = new Lock<Backend>();
  readonly observer: Observer;
  readonly backends = new Set<Backend>();
  readonly #world: World;
  #status: Status = 'up';
  #pids = 1000;
  #uncertainUntil = 0;

  constructor(world: World, observer: Observer, flushMs: number) {
    this.#world = world;
    this.observer = observer;
    this.wall = new WallClock(world);
    this.database = new Database(world, world.luck('disk'), flushMs);
  }

  /** Where every connection begins; what answers it then is a backend, or nobody. */
  listen(link: Link<Request, Message>): void {
    link.server = {
      hear: (request) => {
        if (request.ask === 'connect') this.#greet(link, request);
      },
      closed: () => {},
    };
  }

  tell(kind: NoticeKind, token: bigint, reason: string | undefined): void {
    for (const backend of this.backends) {
      if (backend.purpose !== 'control') continue;
      backend.send({ is: 'notice', notice: { kind, token, reason } });
    }
  }

  terminateBlockers(): void {
    for (const backend of this.gate.holders) {
      if (backend.purpose === 'work') backend.end('terminated: it held up a takeover');
    }
  }

  /** A cancelled wait for a standby succeeds with a warning. */
  becomeUncertain(ms: number): void {
    this.#uncertainUntil = this.#world.now + ms;
  }

  warningBeside({ ask }: Request): LockdError | undefined {
    const isWrite = ['takeover', 'beat', 'release', 'testify'].includes(ask);
    if (!isWrite || this.#world.now >= this.#uncertainUntil) return undefined;
    return new LockdError('LOCKD_UNCERTAIN', 'The server answered with a warning.', {
      isRetryable: true,
    });
  }

  forget(backend: Backend): void {
    this.backends.delete(backend);
    for (const lock of [this.seat, this.gate, this.row]) {
      lock.giveUp(backend);
      lock.free(backend);
    }
    if (this.#status === 'shutting-down' && this.backends.size === 0) this.#stop(1000);
  }

  /** `pg_ctl restart -m fast`: sessions are told, nothing is lost. */
  restart(downMs: number): boolean {
    if (this.#status === 'down') return false;
    this.#world.tell('server', () => `restarts, down for ${Math.round(downMs)} ms`);
    this.#stop(downMs);
    return true;
  }

  /** Lets those who are in finish, and nobody else in. */
  shutDownSmartly(): boolean {
    if (this.#status !== 'up') return false;
    this.#world.tell('server', () => 'shuts down, smartly');
    this.#status = 'shutting-down';
    if (this.backends.size === 0) this.#stop(1000);
    return true;
  }

  /** Nobody waits any longer for those who are still in. */
  shutDownNow(): void {
    if (this.#status === 'shutting-down') this.#stop(1000);
  }

  crash(downMs: number): boolean {
    if (this.#status === 'down') return false;
    const lost = this.database.crash();
    this.#world.tell('server', () => `crashes; ${lost} commits had not reached the disk`);
    this.#goDown('the server crashed', downMs);
    return true;
  }

  /** The old primary is gone for good; a standby that was behind by `lagMs` takes its place. */
  promote(lagMs: number, downMs: number): boolean {
    if (this.#status === 'down') return false;
    const lost = this.database.promote(lagMs);
    this.#world.tell('server', () => `is replaced by its standby, which lost ${lost} commits`);
    this.#goDown('the server was replaced', downMs);
    return true;
  }

  restore(lagMs: number, downMs: number, into: 'other-cluster' | 'other-tables'): boolean {
    if (this.#status === 'down') return false;
    const lost = this.database.restore(lagMs, into);
    this.#world.tell('server', () => `is restored (${into}), without the last ${lost} commits`);
    this.#goDown('the server was restored', downMs);
    return true;
  }

  /** Its machine is put back to a snapshot from before the current term. */
  rewind(downMs: number): void {
    const lost = this.database.rewind();
    this.#world.tell('server', () => `is put back, without the last ${lost} commits`);
    this.#goDown('the server was put back', downMs);
  }

  becomeCalm(): void {
    this.database.becomeCalm();
    for (const backend of this.backends) backend.thaw();
    this.#uncertainUntil = 0;
    this.shutDownNow();
  }

  #stop(downMs: number): void {
    this.database.shutDown();
    this.#goDown('the server stopped', downMs);
  }

  #goDown(reason: string, downMs: number): void {
    this.#status = 'down';
    for (const backend of [...this.backends]) backend.vanish(reason);
    for (const lock of [this.seat, this.gate, this.row]) lock.clear();
    this.#world.after(downMs, () => {
      this.#world.tell('server', () => 'is up');
      this.#status = 'up';
    });
  }

  #greet(link: Link<Request, Message>, hello: Extract<Request, { ask: 'connect' }>): void {
    if (this.#status === 'up') {
      this.#pids += 1;
      const backend = new Backend(this.#world, this, this.#pids, link, hello);
      this.backends.add(backend);
      link.server = backend;
      link.answer({ is: 'answer', value: backend.pid });
      return;
    }
    const [code, message] =
      this.#status === 'down'
        ? (['LOCKD_CONNECTION', 'connect ECONNREFUSED'] as const)
        : (['LOCKD_UNAVAILABLE', 'the database system is shutting down'] as const);
    link.answer({ is: 'refusal', error: new LockdError(code, message, { isRetryable: true }) });
  }
}

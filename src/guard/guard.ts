import { type ChildProcess, fork } from 'node:child_process';
import { type Instant, leftMs, onBothClocks, systemClock } from '../core/clock.ts';
import { ControlLink } from '../core/control.ts';
import { deferred } from '../core/deferred.ts';
import { LockdError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Settled } from '../core/options.ts';
import { postgresStore } from '../postgres/store.ts';
import { endGroup } from './ending.ts';
import { askGroup, type Group, signalGroup } from './group.ts';
import { asWire, type ToGuard, type ToSupervisor } from './messages.ts';
import type { SuperviseSettings } from './settings.ts';
import { stopSignals } from './signals.ts';

/**
 * The parent of the supervisor: its exit event is a proof of death that no reused process id can
 * forge. It registers and listens for the supervisor, and when that one dies or falls silent it ends
 * the command before the lease runs out, and testifies once nothing of it is left.
 */
export interface GuardOptions {
  readonly settings: SuperviseSettings;
  readonly settled: Settled;
  /** The supervisor's program. */
  readonly program: URL;
  readonly logger: Logger;
}

export type Outcome =
  | { readonly is: 'exited'; readonly exitCode: number }
  /** Signalled so early that there was no supervisor yet to make an exit code of it. */
  | { readonly is: 'stopped'; readonly signal: NodeJS.Signals }
  /** The supervisor died, and what it had started has been ended. */
  | { readonly is: 'lost' };

export class Guard {
  readonly #options: GuardOptions;
  readonly #control: ControlLink;
  readonly #supervisor: ChildProcess;
  readonly #closed = deferred();
  #heardAt = systemClock.mono();
  #term: { token: bigint; until: Instant } | undefined;
  #group: Group | undefined;
  #isAsked = false;
  #isKilled = false;
  #isStopping = false;
  /** Why it may not register (nobody would hear its testimony), or why the command never ran. */
  #refusal: LockdError | undefined;
  #exitCode: number | undefined;
  #cancelWatch: () => void = () => {};

  constructor(options: GuardOptions) {
    this.#options = options;
    const { settings, settled, program, logger } = options;
    const store = postgresStore(settings.database);
    this.#control = new ControlLink({
      ...settled.rules,
      ...settled,
      store: {
        ...store,
        openControl: (who, session) =>
          store.openControl(who, {
            ...session,
            hooks: {
              ...session.hooks,
              held: (notice) => this.#tell({ is: 'held', notice: asWire(notice) }),
            },
          }),
      },
      logger,
    });
    this.#supervisor = fork(program, {
      detached: true,
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    this.#supervisor.on('message', (message) => this.#hear(message as ToGuard));
    // After the last message and the exit, in this order; a spawn that failed has only this.
    this.#supervisor.once('close', () => this.#closed.resolve());
    this.#supervisor.once('error', (error) => {
      logger.error({ reason: error.message }, 'could not start the supervisor');
      this.#closed.resolve();
    });
  }

  /** Rejects with the LockdError of a registration that retrying cannot heal, or with a refusal. */
  async run(): Promise<Outcome> {
    const { settings, settled } = this.#options;
    this.#control.start(({ kind, token, reason }) => {
      const notice = { kind, reason, token: token === undefined ? undefined : String(token) };
      this.#tell({ is: 'noticed', notice });
    });
    void this.#control.refusal().then((refusal) => {
      if (refusal === undefined) return;
      this.#refusal = refusal;
      this.stop('SIGTERM');
    });
    this.#tell({ is: 'begin', settings });
    const pings = setInterval(() => this.#ping(), Math.min(1000, settled.rules.ttlMs / 20));
    await this.#closed.promise;
    clearInterval(pings);
    this.#cancelWatch();
    // Signalled like us while it was still loading its modules: it led nothing, and is over as asked.
    const signal = stopSignals.find((each) => each === this.#supervisor.signalCode);
    const isYoung = this.#exitCode === undefined && this.#isStopping && this.#term === undefined;
    const outcome: Outcome =
      signal !== undefined && isYoung ? { is: 'stopped', signal } : await this.#outcome();
    await this.#control.stop();
    if (this.#refusal !== undefined) throw this.#refusal;
    return outcome;
  }

  async #outcome(): Promise<Outcome> {
    if (this.#exitCode !== undefined) return { is: 'exited', exitCode: this.#exitCode };
    await this.#succeed();
    return { is: 'lost' };
  }

  /** Asks for an orderly end; the command sees this signal first. Asking again hurries it. */
  stop(signal: NodeJS.Signals): void {
    this.#tell({ is: 'stop', signal, isAgain: this.#isStopping });
    this.#isStopping = true;
  }

  forward(signal: NodeJS.Signals): void {
    this.#tell({ is: 'forward', signal });
  }

  #hear(message: ToGuard): void {
    this.#heardAt = systemClock.mono();
    switch (message.is) {
      case 'pong':
        break;
      case 'vouch':
        this.#term = { token: BigInt(message.token), until: onBothClocks(message.until) };
        this.#arm();
        break;
      case 'group':
        this.#group = message.group;
        this.#isAsked = false;
        this.#isKilled = false;
        this.#arm();
        this.#tell({ is: 'armed', group: message.group.id });
        break;
      case 'gone':
        this.#group = undefined;
        break;
      case 'testify':
        void this.#control
          .testify(BigInt(message.token), 'confession', message.reason, message.until)
          .then((isOver) => this.#tell({ is: 'testified', id: message.id, isOver }));
        break;
      case 'answer-handoff':
        this.#control.answerHandoff(BigInt(message.token), message.isReady, message.reason);
        break;
      case 'reconnect':
        this.#control.reconnect();
        break;
      case 'done':
        this.#exitCode = message.exitCode;
        if (message.refusal !== undefined) {
          this.#refusal ??= new LockdError(message.refusal.code, message.refusal.message);
        }
        break;
    }
  }

  #ping(): void {
    // Stopped or starved before it led anything: nothing will come of asking it politely. One that has
    // said its last word has only its log left to write, and a reader that stalls would keep it for ever.
    const isOver = this.#isStopping || this.#exitCode !== undefined;
    if (isOver && this.#group === undefined && this.#isSilent()) this.#supervisor.kill('SIGKILL');
    this.#tell({ is: 'ping' });
  }

  /** What it has left behind is ended in `#succeed`, by nobody else. */
  get #hasEnded(): boolean {
    return this.#supervisor.exitCode !== null || this.#supervisor.signalCode !== null;
  }

  #isSilent(): boolean {
    return systemClock.mono() - this.#heardAt > this.#options.settings.silenceMs;
  }

  #arm(): void {
    this.#cancelWatch();
    if (this.#hasEnded || this.#term === undefined || this.#group === undefined) return;
    const askInMs = this.#leftMs() - this.#options.settings.options.marginMs;
    // After a sleep of our own, all that the supervisor has said meanwhile is heard first.
    const look = (): unknown => setImmediate(() => setImmediate(() => this.#watch()));
    // Looked at now and then: after a suspend the boot-time clock knows more than a timer.
    this.#cancelWatch = systemClock.setTimer(systemClock.mono() + Math.min(askInMs, 250), look);
  }

  #leftMs(): number {
    return this.#term === undefined ? 0 : leftMs(this.#term.until, systemClock);
  }

  /** The supervisor does this itself, earlier; unless it cannot. Signals go out before log lines. */
  #watch(): void {
    if (this.#hasEnded || this.#term === undefined || this.#group === undefined) return;
    const { settings } = this.#options;
    const now = systemClock.mono();
    if (this.#leftMs() > settings.options.marginMs) {
      this.#arm();
      return;
    }
    if (!this.#isAsked && this.#isSilent()) {
      this.#isAsked = true;
      askGroup(this.#group, 'SIGTERM');
      this.#options.logger.warn(
        { group: this.#group.id },
        'the supervisor is silent, ends the command',
      );
    }
    const killInMs = this.#leftMs() - settings.killMarginMs;
    if (killInMs > 0) {
      this.#cancelWatch = systemClock.setTimer(now + Math.min(killInMs, 50), () => this.#watch());
      return;
    }
    signalGroup(this.#group, 'SIGKILL');
    if (!this.#isKilled) {
      this.#isKilled = true;
      this.#options.logger.error({ group: this.#group.id }, 'killed the command');
    }
    if (this.#isSilent()) {
      this.#supervisor.kill('SIGKILL');
      this.#options.logger.error({}, 'killed the supervisor');
      return;
    }
    // It has killed the group itself a moment ago and waits for its end, or is about to fall silent.
    this.#cancelWatch = systemClock.setTimer(now + 50, () => this.#watch());
  }

  /** The supervisor is dead: end what it has left behind, and say so once nothing of it lives. */
  async #succeed(): Promise<void> {
    const { logger, settings } = this.#options;
    const { signalCode, exitCode } = this.#supervisor;
    const term = this.#term;
    const ending = this.#group === undefined ? undefined : this.#endGroup(this.#group);
    logger.error({ signal: signalCode, exitCode }, 'the supervisor died');
    await ending;
    if (term === undefined) return;
    const isOver = await this.#control.testify(
      term.token,
      'testimony',
      'its supervisor died',
      term.until.mono + settings.killMarginMs,
    );
    logger.info({ token: term.token, isOver }, 'testified');
  }

  #endGroup(group: Group): Promise<void> {
    const { settings, logger } = this.#options;
    return endGroup(group, {
      signal: 'SIGTERM',
      graceMs: settings.graceMs,
      killInMs: () => this.#leftMs() - settings.killMarginMs,
      killed: () => logger.warn({ group: group.id }, 'killed the command'),
    }).gone;
  }

  /** A pipe that is closed is heard of by `close`. */
  #tell(message: ToSupervisor): void {
    if (this.#supervisor.connected) this.#supervisor.send(message, () => {});
  }
}

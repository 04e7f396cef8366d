import { constants } from 'node:os';
import { type Instant, leftMs, onBothClocks, systemClock } from '../core/clock.ts';
import { SingletonLockController } from '../core/controller.ts';
import { deferred } from '../core/deferred.ts';
import { isLockdError, messageOf } from '../core/errors.ts';
import { type Logger, withFields } from '../core/log.ts';
import { type ControllerOptions, settleOptions } from '../core/options.ts';
import type { Term } from '../core/term.ts';
import type { DatabaseOptions } from '../postgres/connection.ts';
import { postgresStore } from '../postgres/store.ts';
import { type Ending, endGroup } from './ending.ts';
import { type Group, signalGroup } from './group.ts';
import type { GuardChannel, ToSupervisor } from './messages.ts';
import { PipeControl } from './pipe-control.ts';
import { hasParentDeathSignal, type Stub, spawnStub } from './stub.ts';

/** Plain data: it travels from the guard to the supervisor. */
export interface SuperviseSettings {
  readonly options: Pick<
    ControllerOptions,
    'name' | 'label' | 'ttlMs' | 'heartbeatMs' | 'drainTimeoutMs' | 'takeover'
  > & { readonly marginMs: number };
  readonly instance: string;
  readonly database: DatabaseOptions;
  readonly command: readonly string[];
  /** Between TERM and KILL when there is time. */
  readonly graceMs: number;
  /** How long before the end of the lease the command is killed at the latest. */
  readonly killMarginMs: number;
  /** Guard and supervisor count each other as dead after this silence. */
  readonly silenceMs: number;
}

/**
 * Campaigns, and runs the command while it leads. Resolves with the exit code of `lockd run`;
 * undefined when the guard was lost: should it only have slept, how the command ended is no answer.
 */
export async function supervise(
  settings: SuperviseSettings,
  channel: GuardChannel,
  logger: Logger,
): Promise<number | undefined> {
  return new Supervisor(settings, channel, logger).run();
}

class Supervisor {
  readonly #settings: SuperviseSettings;
  readonly #channel: GuardChannel;
  readonly #logger: Logger;
  readonly #control: PipeControl;
  readonly #controller: SingletonLockController;
  readonly #armed = new Map<number, () => void>();
  #running: Group | undefined;
  #stopSignal: NodeJS.Signals = 'SIGTERM';
  #ending: Ending | undefined;
  #exitCode = 0;
  #isAskedToStop = false;
  #isImpatient = false;
  #isOver = false;
  #hasLostGuard = false;
  /** The end of the lease, on both clocks. */
  #until: Instant = { mono: 0, boot: 0 };
  #guardHeardAt = systemClock.mono();

  constructor(settings: SuperviseSettings, channel: GuardChannel, logger: Logger) {
    this.#settings = settings;
    this.#channel = channel;
    this.#logger = withFields(logger, {
      name: settings.options.name,
      instance: settings.instance,
    });
    const settled = settleOptions({ ...settings.options, logger }, settings.instance);
    this.#control = new PipeControl(channel, settled.rules.connectTimeoutMs);
    this.#controller = new SingletonLockController(settled, {
      store: postgresStore(settings.database),
      control: this.#control,
      witness: {
        start: async () => {},
        stop: async () => {},
        reconnect: () => {}, // the guard's one session is told by the control
        vouch: (token, until) => {
          this.#until = onBothClocks(until);
          channel.send({ is: 'vouch', token: String(token), until });
        },
      },
    });
  }

  async run(): Promise<number | undefined> {
    const { silenceMs } = this.#settings;
    this.#channel.onMessage((message) => this.#hear(message));
    this.#channel.onEnd(() => this.#loseGuard('died'));
    void hasParentDeathSignal();
    const watch = setInterval(() => {
      this.#watchGuard();
      this.#watchLease();
    }, silenceMs / 4);
    try {
      await this.#controller.whileActive((term) => this.#runCommand(term));
    } catch (error) {
      if (!isLockdError(error) || error.code !== 'LOCKD_STOPPED') throw error;
    } finally {
      clearInterval(watch);
      await this.#controller.stop();
      this.#isOver = true;
    }
    return this.#hasLostGuard ? undefined : this.#exitCode;
  }

  #hear(message: ToSupervisor): void {
    this.#guardHeardAt = systemClock.mono();
    switch (message.is) {
      case 'ping':
        this.#channel.send({ is: 'pong' });
        break;
      case 'armed':
        this.#armed.get(message.group)?.();
        break;
      case 'stop':
        this.stop(message.signal, message.isAgain);
        break;
      case 'forward':
        // Not to the stub: it would end of what the command knows how to handle.
        if (this.#running !== undefined) signalGroup(this.#running, message.signal);
        break;
      case 'noticed':
        this.#control.hear(message.notice);
        break;
      case 'testified':
        this.#control.answered(message.id, message.isOver);
        break;
    }
  }

  /** The first signal the command sees is the one that was sent to us; a second one hurries it. */
  stop(signal: NodeJS.Signals, isAgain = false): void {
    if (this.#isAskedToStop) {
      if (!isAgain) return;
      this.#isImpatient = true;
      this.#ending?.hurry();
      return;
    }
    this.#isAskedToStop = true;
    this.#stopSignal = signal;
    this.#controller.stop().catch((error: unknown) => {
      this.#logger.error({ reason: messageOf(error) }, 'could not stop');
    });
  }

  #loseGuard(how: 'died' | 'fell silent'): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#hasLostGuard = true;
    this.#control.cut();
    this.stop('SIGTERM');
    this.#logger.error({ how }, 'lost the guard, ends the command');
  }

  #watchGuard(): void {
    const { silenceMs } = this.#settings;
    const isSilent = (): boolean => systemClock.mono() - this.#guardHeardAt > silenceMs;
    if (!isSilent()) return;
    // It may be us who slept: what the guard has sent meanwhile is heard first.
    setTimeout(() => {
      if (isSilent()) this.#loseGuard('fell silent');
    }, 50);
  }

  /** After a suspend the boot-time clock says that the lease is over before any timer does. */
  #watchLease(): void {
    if (this.#running !== undefined && this.#killInMs() <= 0) signalGroup(this.#running, 'SIGKILL');
  }

  /** A little before the guard would do it. */
  #killInMs(): number {
    return leftMs(this.#until, systemClock) - this.#settings.killMarginMs * 1.5;
  }

  async #runCommand(term: Term): Promise<void> {
    const { command, options, instance } = this.#settings;
    const stub = await spawnStub(command, {
      ...process.env,
      LOCKD_NAME: options.name,
      LOCKD_TOKEN: String(term.token),
      LOCKD_INSTANCE: instance,
    });
    const exited = deferred<number>();
    stub.child.once('exit', (code, signal) => {
      exited.resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
    try {
      await this.#arm(stub, term);
      // Nothing may start on a doubt: between the word of the guard and ours the term may have ended.
      if (term.isActive()) {
        stub.go();
        this.#running = stub.group;
        this.#logger.info({ token: term.token, group: stub.group.id }, 'started the command');
      }
      const early = await Promise.race([exited.promise, ended(term)]);
      // After a term that was lost it ended because we, or the guard, have ended it.
      if (early !== undefined && term.isActive()) this.#finish(early);
      await this.#endGroup(stub, exited.promise);
      const hasRun = this.#running !== undefined;
      if (hasRun && this.#isAskedToStop) this.#exitCode = await exited.promise;
      // Said only when it is known: the guard forgets the group then.
      this.#channel.send({ is: 'gone', group: stub.group.id });
    } finally {
      this.#running = undefined;
    }
  }

  /** The command has ended by itself: so does `lockd run`. */
  #finish(code: number): void {
    this.#logger.info({ exitCode: code }, 'the command ended');
    this.stop('SIGTERM');
  }

  #arm(stub: Stub, term: Term): Promise<void> {
    const { group } = stub;
    const armed = deferred();
    this.#armed.set(group.id, () => armed.resolve());
    this.#channel.send({ is: 'group', group });
    return Promise.race([armed.promise, ended(term)]).finally(() => this.#armed.delete(group.id));
  }

  async #endGroup({ group }: Stub, exited: Promise<unknown>): Promise<void> {
    const ending = endGroup(group, {
      signal: this.#stopSignal,
      graceMs: this.#settings.graceMs,
      killInMs: () => this.#killInMs(),
      exited,
      killed: () => this.#logger.warn({ group: group.id }, 'killed the command'),
    });
    this.#ending = ending;
    if (this.#isImpatient) ending.hurry();
    await ending.gone;
    this.#ending = undefined;
  }
}

/** Resolves when the term is over. */
function ended({ signal }: Term): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

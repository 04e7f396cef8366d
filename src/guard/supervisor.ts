import { constants } from 'node:os';
import { type Instant, leftMs, onBothClocks, systemClock } from '../core/clock.ts';
import { SingletonLockController } from '../core/controller.ts';
import { deferred } from '../core/deferred.ts';
import { isLockdError, messageOf } from '../core/errors.ts';
import { type Logger, withFields } from '../core/log.ts';
import { postgresStore } from '../postgres/store.ts';
import { Command } from './command.ts';
import { Holding } from './holding.ts';
import { Leading } from './leading.ts';
import { fromWire, type GuardChannel, type ToSupervisor, type WireHoldNotice } from './messages.ts';
import { PipeControl } from './pipe-control.ts';
import { type SuperviseSettings, settleLease } from './settings.ts';
import { hasParentDeathSignal } from './stub.ts';
import type { Mandate, Task } from './task.ts';

/**
 * Campaigns, and runs the command while it leads, or once under a hold. Resolves with the exit code;
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
  readonly #task: Task;
  readonly #armed = new Map<number, () => void>();
  #hearOfHolds: (notice: WireHoldNotice) => void = () => {};
  #command: Command | undefined;
  #stopSignal: NodeJS.Signals = 'SIGTERM';
  #exitCode: number | undefined;
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
    const { hold: wanted, options, instance, database } = settings;
    const what = wanted === undefined ? { name: options.name } : { resource: wanted.resource };
    this.#logger = withFields(logger, { ...what, instance });
    const settled = settleLease(settings, logger);
    this.#control = new PipeControl(channel, settled.rules.connectTimeoutMs);
    const controller = new SingletonLockController(settled, {
      store: postgresStore(database),
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
    if (wanted === undefined) {
      this.#task = new Leading(controller, settings);
    } else {
      const holding = new Holding({ wanted, controller, settled, database, logger: this.#logger });
      this.#hearOfHolds = (notice) => holding.hear(fromWire(notice));
      this.#task = holding;
    }
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
      await this.#task.run((mandate) => this.#runCommand(mandate));
    } catch (error) {
      if (!isLockdError(error) || error.code !== 'LOCKD_STOPPED') throw error;
    } finally {
      clearInterval(watch);
      await this.#task.stop();
      this.#isOver = true;
    }
    return this.#hasLostGuard ? undefined : (this.#exitCode ?? this.#unstarted());
  }

  /** Whoever wanted the command run once must not take it for done. */
  #unstarted(): number {
    return this.#settings.hold === undefined ? 0 : 128 + constants.signals[this.#stopSignal];
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
        this.#command?.signal(message.signal);
        break;
      case 'noticed':
        this.#control.hear(message.notice);
        break;
      case 'held':
        this.#hearOfHolds(message.notice);
        if (message.notice.is === 'taken') this.#hurryTaken();
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
      this.#command?.hurry();
      return;
    }
    this.#isAskedToStop = true;
    this.#stopSignal = signal;
    this.#task.stop().catch((error: unknown) => {
      this.#logger.error({ reason: messageOf(error) }, 'could not stop');
    });
  }

  /** Somebody else may have the resource by now. A moment later: the loss itself is told first. */
  #hurryTaken(): void {
    setImmediate(() => {
      if (this.#command?.isEnding === true) this.#command.hurry();
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
    if (this.#killInMs() <= 0) this.#command?.signal('SIGKILL');
  }

  /** A little before the guard would do it. */
  #killInMs(): number {
    return leftMs(this.#until, systemClock) - this.#settings.killMarginMs * 1.5;
  }

  async #runCommand(mandate: Mandate): Promise<void> {
    const command = await Command.prepare(this.#settings.command, {
      ...process.env,
      ...mandate.environment,
    });
    const { group, exited } = command;
    this.#command = command;
    try {
      await this.#arm(command, mandate);
      // Nothing may start on a doubt: between the word of the guard and ours it may have ended.
      if (mandate.isActive()) {
        command.start();
        this.#logger.info({ token: mandate.token, group: group.id }, 'started the command');
      }
      const early = await Promise.race([exited, ended(mandate)]);
      // After a loss it ended because we, or the guard, have ended it.
      if (early !== undefined && mandate.isActive()) this.#finish(early);
      const isLost = !this.#isAskedToStop;
      if (isLost) this.#tellOfLoss(mandate);
      await this.#end(command);
      if (isLost && this.#settings.hold !== undefined) {
        this.#exitCode = this.#settings.hold.lostExitCode;
      } else if (command.isStarted && this.#isAskedToStop) {
        this.#exitCode = await exited;
      }
      // Said only when it is known: the guard forgets the group then.
      this.#channel.send({ is: 'gone', group: group.id });
    } finally {
      this.#command = undefined;
    }
  }

  /** Of a term the controller tells itself. */
  #tellOfLoss({ signal: { reason } }: Mandate): void {
    if (this.#settings.hold === undefined) return;
    const code = isLockdError(reason) ? reason.code : undefined;
    this.#logger.warn({ code, reason: messageOf(reason) }, 'the hold is over, ends the command');
  }

  /** The command has ended by itself: so do we. */
  #finish(code: number): void {
    this.#logger.info({ exitCode: code }, 'the command ended');
    this.stop('SIGTERM');
  }

  #arm({ group }: Command, mandate: Mandate): Promise<void> {
    const armed = deferred();
    this.#armed.set(group.id, () => armed.resolve());
    this.#channel.send({ is: 'group', group });
    return Promise.race([armed.promise, ended(mandate)]).finally(() =>
      this.#armed.delete(group.id),
    );
  }

  #end(command: Command): Promise<void> {
    if (this.#isImpatient) command.hurry();
    return command.end({
      signal: this.#stopSignal,
      graceMs: this.#settings.graceMs,
      killInMs: () => this.#killInMs(),
      killed: () => this.#logger.warn({ group: command.group.id }, 'killed the command'),
    });
  }
}

/** Resolves when the mandate is over. */
function ended({ signal }: Mandate): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

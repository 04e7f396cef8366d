import { afterEach, expect } from 'vitest';
import type { Gated, SingletonLockController } from '../../src/index.ts';
import {
  FakeClock,
  MemoryServer,
  type TestControllerOptions,
  testController,
} from '../../src/testing/index.ts';

export const name = 'telegram-bot';
export const ttlMs = 10_000;

/** What a program has: a bot that replies while it leads, and says once a minute when it does not. */
export class Bot {
  readonly lock: SingletonLockController;
  readonly sent: string[] = [];
  readonly told: string[] = [];
  /** What a reply waits for, somewhere else. */
  elsewhere: Promise<void> = Promise.resolve();

  readonly #reply: (chat: string, text: string) => Promise<Gated<void>>;

  constructor(lock: SingletonLockController) {
    this.lock = lock;
    this.#reply = lock.gated(async (chat: string, text: string) => {
      await this.elsewhere;
      this.sent.push(`${chat}: ${text}!`);
    });
    lock.on('active', () => this.told.push('active'));
    lock.on('passive', (_term, reason) => this.told.push(`passive: ${reason}`));
  }

  async hear(chat: string, text: string): Promise<void> {
    const answer = await this.#reply(chat, text);
    if (!answer.ran && this.lock.passiveNotice(chat)) this.sent.push(`${chat}: not me, now`);
  }
}

const started: { readonly bot: Bot; readonly clock: FakeClock }[] = [];

export function setup() {
  const clock = new FakeClock();
  const server = new MemoryServer({ clock });
  const add = (options: Partial<TestControllerOptions> = {}, own?: FakeClock): Bot => {
    const bot = new Bot(testController({ server, name, ttlMs, clock: own, ...options }));
    started.push({ bot, clock: own ?? clock });
    return bot;
  };
  /** One that leads and one that stands by. */
  const two = async (): Promise<[Bot, Bot]> => {
    const [leader, standby] = [add({ label: 'host-1' }), add({ label: 'host-2' })];
    await leader.lock.start();
    await clock.until(standby.lock.start());
    expect([leader.lock.state, standby.lock.state]).toEqual(['active', 'passive']);
    return [leader, standby];
  };
  return { clock, server, add, two };
}

/** To be called once in a file. */
export function stopBots(): void {
  afterEach(async () => {
    for (const { bot, clock } of started.splice(0)) {
      await clock.until(bot.lock.stop({ force: true }));
    }
  });
}

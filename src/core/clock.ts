import { uptime } from 'node:os';

/** One moment on the two clocks a deadline is kept on, in milliseconds since an arbitrary start. */
export interface Instant {
  /** Monotonic. Stops while the machine is suspended; timers run on it. */
  readonly mono: number;
  /** Since boot. Goes on during suspend, so it sees what the monotonic clock slept through. */
  readonly boot: number;
}

export interface Clock {
  /** Monotonic milliseconds; shared by all processes of one machine. */
  mono(): number;
  /** Boot-time milliseconds; read only when the monotonic clock has no objection, it costs more. */
  boot(): number;
  /** Calls back once, about `at` on the monotonic clock. Returns how to cancel. */
  setTimer(at: number, callback: () => void): () => void;
}

// Larger delays overflow setTimeout and fire at once; the timer is only set again.
const longestTimeoutMs = 2 ** 31 - 1;

/** The clocks of this machine: CLOCK_MONOTONIC and, through `os.uptime()`, CLOCK_BOOTTIME. */
export const systemClock: Clock = {
  mono() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e3 + nanoseconds / 1e6;
  },
  boot: () => uptime() * 1000,
  setTimer(at, callback) {
    const arm = (): NodeJS.Timeout => {
      const leftMs = Math.ceil(at - systemClock.mono());
      return leftMs > longestTimeoutMs
        ? setTimeout(() => {
            timer = arm();
          }, longestTimeoutMs)
        : setTimeout(callback, Math.max(0, leftMs));
    };
    let timer = arm();
    return () => clearTimeout(timer);
  },
};

/** A moment of the monotonic clock on both, as they stand to each other now. */
export const onBothClocks = (mono: number): Instant => ({
  mono,
  boot: mono + systemClock.boot() - systemClock.mono(),
});

export const instantOf = (clock: Clock): Instant => ({ mono: clock.mono(), boot: clock.boot() });

/** What is left of the trust in the last acknowledged beat; the monotonic clock, being cheap, first. */
export function leftMs(until: Instant, clock: Clock): number {
  const mono = until.mono - clock.mono();
  if (mono <= 0) return 0;
  return Math.max(0, Math.min(mono, until.boot - clock.boot()));
}

import { readFileSync } from 'node:fs';

/**
 * Of this machine since it was started: all that run on one kernel have the same, containers, too, and
 * share their monotonic clock. Undefined where there is none: only Linux has it.
 */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

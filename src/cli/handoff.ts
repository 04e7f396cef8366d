import { defaults } from '../core/options.ts';
import { warmUpTimeoutMs } from '../core/standby.ts';
import { type Handoff, handOff } from '../postgres/handoff.ts';
import { visitDatabase } from './database.ts';
import { formatDuration } from './duration.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { cell, print, printJson } from './output.ts';

export interface HandoffOptions extends CommonOptions {
  /** An instance, the beginning of one, or a label; undefined: the newest. */
  readonly to: string | undefined;
  readonly isWaiting: boolean;
  readonly timeoutMs: number | undefined;
}

/** `lockd handoff` */
export function handoff(name: string, options: HandoffOptions): Promise<number> {
  const { to, isWaiting, drainTimeoutMs, ttlMs } = options;
  const boundMs =
    drainTimeoutMs === undefined
      ? undefined
      : warmUpTimeoutMs + drainTimeoutMs + (ttlMs ?? defaults.ttlMs);
  const request = { to, isWaiting, timeoutMs: options.timeoutMs ?? boundMs };
  return visitDatabase(options, async ({ options: database }) => {
    const outcome = await handOff(database, name, request);
    if (options.isJson) printJson({ name, ...outcome });
    else print(handoffText(name, outcome));
    return exitCodes[outcome.outcome];
  });
}

const exitCodes: Readonly<Record<Handoff['outcome'], number>> = {
  nobody: ExitCode.nobody,
  'no-candidate': ExitCode.nobody,
  leads: ExitCode.ok,
  'under-way': ExitCode.nobody,
  asked: ExitCode.ok,
  declined: ExitCode.nobody,
  'handed-over': ExitCode.ok,
  returned: ExitCode.nobody,
  'timed-out': ExitCode.unknown,
};

function handoffText(name: string, handoff: Handoff): string {
  const led = cell(name);
  if (handoff.outcome === 'nobody') return `nobody leads ${led}`;
  const from = `${cell(handoff.from.label)} (token ${handoff.from.token})`;
  if (handoff.outcome === 'no-candidate') {
    return `nobody waits for ${led} that may lead: ${from} leads on`;
  }
  if (handoff.outcome === 'leads') return `${from} leads ${led} already`;
  const to = cell(handoff.to.label);
  if (handoff.outcome === 'under-way') {
    return `${from} hands ${led} over to somebody else already: see \`lockd watch\``;
  }
  const deaf = handoff.isHeard ? '' : '; its control session is lost, so it may not have heard';
  if (handoff.outcome === 'asked') return `asked ${to} to take ${led} over from ${from}${deaf}`;
  const { leader, isLed = false } = { leader: handoff.status?.leader, ...handoff.status };
  const took = formatDuration(handoff.tookMs);
  switch (handoff.outcome) {
    case 'declined':
      return `${to} is not ready to take ${led} over: ${cell(handoff.reason)}; ${from} leads on`;
    case 'handed-over':
      return `${from} handed ${led} over to ${to} (token ${handoff.token}) in ${took}; nobody led for ${formatDuration(handoff.gapMs)}`;
    case 'returned':
      return `${to} did not take ${led} over: ${cell(leader?.label ?? '?')} leads (token ${leader?.token ?? '?'})`;
    case 'timed-out':
      return isLed
        ? `${from} has not handed ${led} over to ${to} after ${took}${deaf}`
        : `${to} has not taken ${led} over after ${took}, and nobody leads`;
  }
}

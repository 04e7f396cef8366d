import type { Schedule } from './schedule.ts';
import type { Line } from './world.ts';

/** A schedule as a story: who takes part, what was to go wrong, and what happened, in true time. */
export function storyOf(schedule: Schedule, lines: readonly Line[]): string {
  const cast = schedule.hosts.map((plan, index) => {
    const name = 'ABCD'[index];
    const guard = plan.isGuarded ? 'guarded' : 'without a guard';
    return `  ${name}  TTL ${plan.ttlMs} ms, ${guard}, clocks at ${plan.rate}`;
  });
  const faults = schedule.faults.map((fault) => {
    const { is, ...how } = fault.what;
    const when = fault.on === 'now' ? '' : `, at the next '${fault.on}' + ${fault.delayMs} ms`;
    return `  from ${fault.at / 1000} TTL${when}: ${is} ${fault.who} ${JSON.stringify(how)}`;
  });
  const finale = schedule.finale.map(({ is, afterMs }) => `  ${is}, after ${afterMs} ms`);
  const happenings = lines.map(
    ({ at, who, text }) => `${at.toFixed(1).padStart(11)} ms  ${who.padEnd(9)} ${text}`,
  );
  return [
    ...['The cast:', ...cast],
    ...['The faults:', ...faults],
    ...['The finale:', ...finale],
    ...['What happened:', ...happenings],
  ].join('\n');
}

/** The name that is to be led: what `lockd status` would say, in a line. */
import { readStatus } from '../status.ts';
import { type Check, ok, shellWord, type Told, warning } from './finding.ts';

const status: Check = {
  name: 'status',
  async look({ patient }): Promise<Told | undefined> {
    const { name, options } = patient;
    if (name === undefined) return undefined;
    const [found] = await readStatus(options, name);
    if (found?.leader === undefined) return ok(`Nobody has ever led ${JSON.stringify(name)} here.`);
    const { leader, waiting, faults, isLed } = found;
    const who = isLed
      ? `${leader.label} leads ${JSON.stringify(name)} since ${leader.since.toISOString()}`
      : `Nobody leads ${JSON.stringify(name)}; ${leader.label} did`;
    const message = `${who}; ${waiting.length} ${waiting.length === 1 ? 'waits' : 'wait'}.`;
    const [fault] = faults;
    if (fault === undefined) return ok(message);
    return warning(
      `${message} ${fault.code}: ${fault.message}`,
      fault.remedy ?? `Look closer: lockd status ${shellWord(name)}`,
    );
  },
};

export const nameChecks: readonly Check[] = [status];

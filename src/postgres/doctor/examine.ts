import { checkName, expect } from '../../core/checks.ts';
import { refuseUnknown } from '../../core/known.ts';
import { settleOptions } from '../../core/options.ts';
import { type DatabaseOptions, databaseOptions, settleDatabase } from '../connection.ts';
import { describeDatabase } from '../describe.ts';
import { durabilityChecks } from './durability.ts';
import { apart, type Check, type Finding, ok, problem, type Told, toldBy } from './finding.ts';
import { hostingChecks } from './hosting.ts';
import { nameChecks } from './name.ts';
import { roomChecks } from './room.ts';
import { schemaChecks } from './schema.ts';
import { serverChecks } from './server.ts';
import { settingChecks } from './settings.ts';
import { timeChecks } from './time.ts';
import { Visit } from './visit.ts';
import { wayChecks } from './way.ts';

export interface Examination {
  /** How many instances are to run at the same time, those of an overlapping deploy included. @default 2 */
  readonly instances?: number | undefined;
  /** Whose status is looked at, too. */
  readonly name?: string | undefined;
  /** What the instances will be given. @default as theirs */
  readonly ttlMs?: number | undefined;
  readonly heartbeatMs?: number | undefined;
  /** For each answer of the server. @default 5 000 ms */
  readonly timeoutMs?: number | undefined;
}

const checks: readonly Check[] = [
  ...wayChecks,
  ...serverChecks,
  ...settingChecks,
  ...schemaChecks,
  ...roomChecks,
  ...timeChecks,
  ...durabilityChecks,
  ...hostingChecks,
  ...nameChecks,
];

/**
 * Whether a database is fit for lockd, before the first deploy. Changes nothing that stays, needs no
 * schema, and no rights but to connect. One finding for each check; a database that cannot be reached
 * is the only one then.
 */
export async function examine(
  options: DatabaseOptions = {},
  about: Examination = {},
): Promise<Finding[]> {
  await using visit = new Visit(settle(options, about));
  const findings: Finding[] = [];
  for (const { name: check, look } of [reached, ...checks]) {
    const told = await look(visit).catch((error) => onceTold(toldBy(error), findings));
    if (told !== undefined) findings.push({ check, ...told });
    if (visit.isOver) break; // there is nobody to ask, or not any more
  }
  return findings;
}

/** What stands in the way of many checks is told by the first of them. */
function onceTold(told: Told, before: readonly Finding[]): Told {
  const first = before.find(({ message }) => message === told.message);
  if (first === undefined) return told;
  return { ...told, verdict: 'warning', message: `Could not be told: ${first.check} says why.` };
}

function settle(options: DatabaseOptions, about: Examination): Visit['patient'] {
  refuseUnknown(options, databaseOptions);
  refuseUnknown(about, {
    instances: true,
    name: true,
    ttlMs: true,
    heartbeatMs: true,
    timeoutMs: true,
  });
  const { instances = 2, name, ttlMs, heartbeatMs, timeoutMs = 5_000 } = about;
  if (name !== undefined) checkName(name);
  const isCount = Number.isInteger(instances) && instances >= 1 && instances <= 10_000;
  expect(isCount, '`instances` to be a whole number from 1 to 10 000', instances);
  const { candidate } = settleOptions({ name: name ?? 'doctor', ttlMs, heartbeatMs });
  const { hosts, schema } = settleDatabase(options);
  return { options, hosts, schema, candidate, instances, name, timeoutMs };
}

const reached: Check = {
  name: 'connection',
  async look(visit): Promise<Told> {
    const where = describeDatabase(visit.patient.options);
    const startedAt = performance.now();
    try {
      await visit.session();
    } catch (error) {
      const { what, remedy = unreachable } = apart(error);
      return problem(`Cannot connect to ${where}: ${what}`, remedy);
    }
    return ok(`Connected to ${where} in ${Math.round(performance.now() - startedAt)} ms.`);
  },
};

const unreachable = 'Check host, port, firewall and TLS, and that the server is up.';

import { examine } from '../postgres/doctor/examine.ts';
import { type Finding, type Verdict, verdicts, worstOf } from '../postgres/doctor/finding.ts';
import { visitDatabase } from './database.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { cell, print, printJson, table } from './output.ts';

export interface DoctorOptions extends CommonOptions {
  readonly instances: number | undefined;
  readonly heartbeatMs: number | undefined;
}

const exitCodes: Readonly<Record<Verdict, number>> = {
  ok: ExitCode.ok,
  note: ExitCode.ok,
  warning: ExitCode.nobody,
  problem: ExitCode.unknown,
};

/** `lockd doctor`: 0 if all is well, 1 if the worst of it is a warning, 2 if it is a problem. */
export function doctor(name: string | undefined, options: DoctorOptions): Promise<number> {
  const { instances, ttlMs, heartbeatMs, isJson } = options;
  return visitDatabase(options, async ({ options: database }) => {
    const findings = await examine(database, { name, instances, ttlMs, heartbeatMs });
    const worst = worstOf(findings);
    if (isJson) printJson({ worst, findings });
    else print(findingsText(findings));
    return exitCodes[worst];
  });
}

/** For people: a line for each check, and its remedy on the next. */
function findingsText(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ check, verdict, message, remedy }) => [
    [verdict, check, cell(message)],
    ...(remedy === undefined ? [] : [['', '', `→ ${cell(remedy)}`]]),
  ]);
  return `${table(['VERDICT', 'CHECK', 'FOUND'], rows)}\n\n${summary(findings)}`;
}

function summary(findings: readonly Finding[]): string {
  const counts = verdicts.toReversed().flatMap((verdict) => {
    const count = findings.filter((finding) => finding.verdict === verdict).length;
    return count === 0 ? [] : `${count} ${plural(verdict, count)}`;
  });
  return counts.join(', ');
}

const plural = (verdict: Verdict, count: number): string =>
  verdict === 'ok' || count === 1 ? verdict : `${verdict}s`;

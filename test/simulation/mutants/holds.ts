import type { Mutant } from './mutant.ts';

const locks = (name: string): string => `src/core/locks/${name}.ts`;
const server = 'src/testing/process-holds.ts';

/** Mistakes in what holds resources: in the core, and in the server in memory that stands for the SQL. */
export const holdMutants: readonly Mutant[] = [
  {
    name: 'a hold is trusted beyond its lease',
    breaks: ['held alone'],
    file: locks('hold'),
    from: 'return this.#isOurs() && this.#end === undefined && this.#parts.term.isActive();',
    to: 'return this.#isOurs() && this.#end === undefined;',
  },
  {
    name: 'given back before its holder is told that its time is up',
    breaks: ['held alone'],
    file: locks('hold'),
    from: `    this.lose(
      new LockdError(
        'LOCKD_HOLD_EXPIRED',`,
    to: `    void this.#giveBack();
    this.#until = undefined;
    const later = (_: LockdError) => {};
    later(
      new LockdError(
        'LOCKD_HOLD_EXPIRED',`,
  },
  {
    name: 'a released hold is held until the server has it',
    breaks: ['held alone'],
    file: locks('hold'),
    from: 'this.#released ??= this.#release();\n    return this.#released;',
    to: 'const released = this.#release();\n    void released.then(() => {\n      this.#released = released;\n    });\n    return released;',
  },
  {
    name: 'a silent process is buried after half of its TTL',
    breaks: ['held alone'],
    file: locks('silence'),
    from: 'now - sighting.at >= sighting.ttlMs',
    to: 'now - sighting.at >= sighting.ttlMs / 2',
  },
  {
    name: 'each sighting of a process counts from the first one, whatever its beat',
    breaks: ['held alone', 'served'],
    file: locks('silence'),
    from: '{beat.token}/$',
    to: '{beat.token}`; //$',
  },
  {
    name: 'nobody buries the dead',
    breaks: ['served', 'nothing is left behind'],
    file: locks('silence'),
    from: 'await this.#bury(beats);',
    to: '',
  },
  {
    name: 'what may have been granted without an answer is not given back',
    breaks: ['served', 'nothing is left behind', 'nothing is thrown'],
    file: locks('acquiring'),
    from: 'const undone = leaving.undo(call, wanted, term);',
    to: 'const undone = Promise.resolve(false);',
  },
  {
    name: 'who gives up waiting stays in line',
    breaks: ['served', 'nothing is left behind'],
    file: locks('acquiring'),
    from: 'void leaving.leave(wanted, term);\n      if (error !== moved) {',
    to: 'if (error !== moved) {',
  },
  {
    name: 'who waited under a lease that is over waits on',
    breaks: ['served'],
    file: locks('waits'),
    from: 'for (const { grant } of this.#waits.values()) grant.reject(moved);\n    this.#waits.clear();',
    to: '',
  },
  {
    name: 'a grant that was not told of is not looked for',
    breaks: ['served'],
    file: locks('waits'),
    from: 'if (hold !== undefined) wait.grant.resolve(hold);\n',
    to: 'if (hold !== undefined) continue;\n',
  },
  {
    name: 'nobody in a circle gives way',
    breaks: ['served'],
    file: locks('waits'),
    from: 'for (const circle of circlesOf(queues)) this.#break(circle);',
    to: '',
  },
  {
    name: 'nothing is doubted after a crash',
    breaks: ['held alone'],
    file: server,
    from: 'this.#doubts.set(process, token)',
    to: 'this.#doubts.delete(process)',
  },
  {
    name: 'the first doubt that ends ends all of them',
    breaks: ['held alone'],
    file: server,
    from: 'this.#doubts.size === 0',
    to: 'true',
  },
  {
    name: 'a lease that ends leaves its holds',
    breaks: ['served', 'nothing is left behind', 'nothing is thrown'],
    file: server,
    from: 'this.table.freeAll(process, before);',
    to: '',
  },
  {
    name: 'a writer waits for no reader',
    breaks: ['held alone'],
    file: locks('memory-line'),
    from: "if (mode === 'exclusive') return this.#held.size === 0 ? 0 : undefined;",
    to: "if (mode === 'exclusive') return this.#slots.has(0) ? undefined : 0;",
  },
  {
    name: 'one place more than there are permits',
    breaks: ['held alone', 'nothing is left behind'],
    file: locks('memory-line'),
    from: 'this.#lowest <= mode.permits',
    to: 'this.#lowest <= mode.permits + 1',
  },
];

import type { Mutant } from './mutant.ts';

const machine = (file: string): string => `src/core/machine/${file}.ts`;

/** The core, broken in one place each. */
export const coreMutants: readonly Mutant[] = [
  {
    name: 'trust in a beat counts from its answer instead of its sending',
    file: machine('tenure'),
    from: 'const next = { ...phase, trusted: sent, nextBeatAt',
    to: 'const next = { ...phase, trusted: now, nextBeatAt',
  },
  {
    name: 'trust in a takeover counts from its answer instead of its sending',
    file: machine('campaign'),
    from: 'takeOffice(state, answer.token, call.sent, now, rules)',
    to: 'takeOffice(state, answer.token, now, now, rules)',
  },
  {
    name: 'no margin between the old deadline and the new start',
    seed: 2,
    file: machine('tenure'),
    from: `mono: trusted.mono + rules.ttlMs - rules.marginMs,
  boot: trusted.boot + rules.ttlMs - rules.marginMs,`,
    to: `mono: trusted.mono + rules.ttlMs,
  boot: trusted.boot + rules.ttlMs,`,
  },
  {
    name: 'the gate asks one clock only',
    file: 'src/core/runtime.ts',
    from: 'return Math.max(0, Math.min(mono, until.boot - clock.boot()));',
    to: 'return mono;',
  },
  {
    name: 'the gate relies on timers and asks no clock',
    file: 'src/core/controller.ts',
    from: 'return leftMs(trustedUntil(phase.trusted, this.#settled.rules), this.#settled.clock);',
    to: 'return leftMs(trustedUntil(phase.trusted, this.#settled.rules), this.#settled.clock) + 1;',
  },
  {
    name: 'the gate stays open while draining',
    file: 'src/core/controller.ts',
    from: "if (phase.is !== 'active') return 0;",
    to: "if (phase.is !== 'active' && phase.is !== 'draining') return 0;",
  },
  {
    name: 'an answer after the deadline revives the term',
    file: machine('machine'),
    from: 'if (isTrusted(phase.trusted, now, rules)) return stay(state);',
    to: "if (phase.is === 'active' || isTrusted(phase.trusted, now, rules)) return stay(state);",
  },
  {
    name: 'no wait for the lease of a silent predecessor',
    file: machine('lease'),
    from: "return { startAt: sighting.at + lease.ttlMs, ground: 'observed' };",
    to: "return { startAt: 0, ground: 'observed' };",
  },
  {
    name: 'the successor waits its own TTL instead of its predecessor’s',
    seed: 2,
    file: machine('lease'),
    from: "return { startAt: sighting.at + lease.ttlMs, ground: 'observed' };",
    to: "return { startAt: sighting.at + heir.ttlMs, ground: 'observed' };",
  },
  {
    name: 'the age of a beat is believed from the server’s clock',
    file: machine('campaign'),
    from: '{ token: lease.token, beat: lease.beat, at: now.mono }',
    to: '{ token: lease.token, beat: lease.beat, at: now.mono - (lease.beatAgeMs ?? 0) }',
  },
  {
    name: 'a lease is believed over a promotion',
    file: machine('lease'),
    from: 'if (mayBeOlderThanTheTruth(lease, heir)) {',
    to: 'if (mayBeOlderThanTheTruth(lease, heir) && lease.token < 0n) {',
  },
  {
    name: 'seen beats count over a promotion',
    file: machine('lease'),
    from: 'return { startAt: heir.grantedAt + Math.max(lease.ttlMs, heir.ttlMs)',
    to: 'return { startAt: (heir.sighting?.at ?? heir.grantedAt) + Math.max(lease.ttlMs, heir.ttlMs)',
  },
  {
    name: 'a row without a takeover is believed on a later timeline',
    seed: 2,
    file: machine('lease'),
    from: 'if (recorded === undefined) return Number.parseInt(server.timeline, 16) > 1;',
    to: 'if (recorded === undefined) return false;',
  },
  {
    name: 'a notice is taken for proof',
    file: machine('campaign'),
    from: 'const claimed = decide(state, { ...lease, isEnded: true }, grantedAt, now, rules);',
    to: 'const claimed = bid(state, lease, grantedAt, now, rules);',
  },
  {
    name: 'release before drain',
    file: 'src/core/runtime.ts',
    from: "void host.endTerm(effect.reason, effect.cause).then(() => this.dispatch({ is: 'drained' }));",
    to: "void host.endTerm(effect.reason, effect.cause); this.dispatch({ is: 'drained' });",
  },
  {
    name: 'a drain ends when one of several has finished',
    file: 'src/core/work.ts',
    from: 'while (this.#running > 0) {',
    to: 'if (this.#running > 0) {',
    also: {
      file: 'src/core/work.ts',
      from: 'if (this.#running > 0) return;',
      to: '',
    },
  },
  {
    name: 'a lost term is confessed before its work has finished',
    file: machine('tenure'),
    from: "{ do: 'end-term', reason, cause },\n    { do: 'destroy-seat' },",
    to: "{ do: 'end-term', reason, cause },\n    { do: 'destroy-seat' },\n    confess({ ...phase, reason }, rules),",
  },
  {
    name: 'what is forced to let go is marked ended while its work runs',
    file: machine('tenure'),
    from: "const left: Effect[] = [{ do: 'left', token: phase.token, isLost: !phase.isSeated }];",
    to: "const left: Effect[] = [{ do: 'left', token: phase.token, isLost: !phase.isSeated }, { do: 'confess', token: phase.token, reason: phase.reason, until: Number.POSITIVE_INFINITY }];",
  },
  {
    name: 'the end of a term is not told',
    file: 'src/core/gate.ts',
    from: "delivery.send('passive', term, reason);",
    to: '',
  },
  {
    name: 'the end of a term is told before it is aborted',
    file: 'src/core/gate.ts',
    from: 'term.end(new LockdError(',
    to: "delivery.send('passive', term, reason);\n    term.end(new LockdError(",
  },
  {
    name: 'the watcher is started twice',
    file: 'src/core/controller.ts',
    from: 'if (run !== undefined) return run.started;',
    to: '',
    also: {
      file: machine('machine'),
      from: "return phase.is === 'stopped' ? connect(wanted, now, rules) : stay(wanted);",
      to: 'return connect(wanted, now, rules);',
    },
  },
  {
    name: 'a session given up is not put away when another is opened',
    file: 'src/core/runtime.ts',
    from: '    this.#seat?.abort.abort();\n    this.#seat?.session?.destroy();\n',
    to: '    this.#seat?.abort.abort();\n',
  },
  {
    name: 'what arrives from a session that was given up is heard',
    file: machine('machine'),
    from: 'return event.seat === state.seat ? hear(state, event, now, rules) : stay(state);',
    to: 'return hear(state, event, now, rules);',
  },
  {
    name: 'a lost session is never made anew',
    file: machine('machine'),
    from: 'return now.mono >= phase.until ? connect(state, now, rules) : stay(state);',
    to: 'return stay(state);',
  },
  {
    name: 'calls have no deadline',
    file: machine('machine'),
    from: "if (call !== undefined && call.kind !== 'beat' && now.mono >= call.until) {",
    to: "if (call !== undefined && call.kind === 'connect' && now.mono >= call.until) {",
  },
  {
    name: 'a leader forgets to beat',
    file: machine('tenure'),
    from: "{ do: 'beat', token: phase.token },\n  );",
    to: '...[],\n  );',
  },
  {
    name: 'the control session is left open',
    file: 'src/core/control.ts',
    from: 'if (signal.aborted) await session.close();',
    to: 'if (signal.aborted) break;',
  },
];

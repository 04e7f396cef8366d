import type { Mutant } from './mutant.ts';

const file = 'test/simulation/protocol.ts';

/** The protocol's functions, broken in one place each: what migrations/0002_protocol.sql must not be. */
export const serverMutants: readonly Mutant[] = [
  {
    name: 'unlock before the ended mark',
    breaks: ['marked before unlocked'],
    file,
    from: `const isMarked = await markEnded(server, backend, whose, 'release');
  await backend.pause();
  const wasHeld = server.seat.free(backend);
  server.observer.unlocked(whose);`,
    to: `const wasHeld = server.seat.free(backend);
  server.observer.unlocked(whose);
  await backend.pause();
  const isMarked = await markEnded(server, backend, whose, 'release');`,
  },
  {
    name: 'the grant is taken from the exception',
    breaks: ['busy holds nothing'],
    file,
    from: "const isGranted = outcome === 'granted' || seat.isHeldBy(backend);",
    to: "const isGranted = outcome === 'granted';",
  },
  {
    // A takeover based on such a row finds another one: the compare-and-set makes up for it.
    name: 'the row is read before the grant',
    breaks: [],
    caughtBy: 'replay',
    file,
    from: 'backend.idleMs = idleMs;\n',
    to: 'backend.idleMs = idleMs;\n  const early = leaseOf(server);\n',
    also: { file, from: 'const lease = leaseOf(server);', to: 'const lease = early;' },
  },
  {
    name: 'the token is not bumped',
    breaks: ['tokens grow'],
    file,
    from: 'const token = greatest(fence + 1n, before.token + 1n, bid.highestToken + 1n, clock);',
    to: 'const token = greatest(fence, before.token, bid.highestToken, 1n);',
  },
  {
    name: 'the token heeds the rows alone, not what its taker has seen',
    breaks: ['tokens grow'],
    file,
    from: 'const token = greatest(fence + 1n, before.token + 1n, bid.highestToken + 1n, clock);',
    to: 'const token = greatest(fence + 1n, before.token + 1n, clock);',
  },
  {
    name: 'the token is the clock’s alone',
    breaks: ['tokens grow'],
    file,
    from: 'const token = greatest(fence + 1n, before.token + 1n, bid.highestToken + 1n, clock);',
    to: 'const token = clock;',
  },
  {
    name: 'the takeover is no compare-and-set',
    breaks: ['one gate', 'work in turn'],
    file,
    from: 'if (before.token !== bid.token || before.beat !== bid.beat || before.isEnded !== bid.isEnded) {',
    to: 'if (before.token < 0n) {',
  },
  {
    name: 'the takeover is not durable',
    breaks: ['one gate', 'work in turn', 'tokens grow'],
    file,
    from: "await backend.commit({ lease, fence: token }, 'durable');",
    to: "await backend.commit({ lease, fence: token }, 'asynchronous');",
  },
  {
    name: 'a beat is not durable',
    breaks: ['one gate', 'work in turn'],
    file,
    from: "await write(server, backend, 'durable', {",
    to: "await write(server, backend, 'asynchronous', {",
  },
  {
    name: 'a mark ends whoever leads',
    breaks: ['drained before released', 'closed before released'],
    file,
    from: 'if (lease.token !== whose || lease.isEnded) {',
    to: 'if (lease.isEnded) {',
  },
  {
    name: 'a fenced transaction does not hold the gate',
    breaks: ['fenced'],
    file,
    from: "await backend.wait(waitFor(gate, backend, 'shared', bound));",
    to: 'await backend.pause();',
  },
  {
    name: 'the takeover does not wait at the fence gate',
    breaks: ['fenced'],
    file,
    from: "if (gateAnswer !== 'granted') return blocked();",
    to: '',
  },
  {
    name: 'the fence does not compare',
    breaks: ['fenced'],
    file,
    from: 'if (server.database.tables.fence !== mine) {',
    to: 'if (server.database.tables.fence < 0n) {',
  },
];

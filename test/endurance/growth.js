/** How much more of something at the end than after the warm-up is no growth. Default: nothing. */
const tolerated = {
  'heap, MB': 1.5,
  'resident, MB': 12,
  // Those of the sessions that come and go with each handover.
  timers: 3,
  sockets: 3,
  sessions: 3,
  locks: 3,
  'history pages': 4,
  'lines in the log': 12, // checkpoints
};

/** These are told, and may grow. */
const told = ['ms', 'terms', 'warnings'];

/** The history is kept to this bound, so it grows until it is reached. */
const historyKept = 1000;

/**
 * What each thing was in the second quarter and in the last one: the first is the warm-up. Medians,
 * because a sample may fall into the middle of a handover.
 */
export function growths(samples) {
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const early = samples.slice(quarter, 2 * quarter);
  const late = samples.slice(-quarter);
  const names = Object.keys(samples[0]).filter((name) => !told.includes(name));
  return names.map((what) => {
    const from = median(early.map((sample) => sample[what]));
    const to = median(late.map((sample) => sample[what]));
    const isBounded = what.startsWith('history') && samples.at(-1).history <= historyKept + 1;
    const isFlat = isBounded || to - from <= (tolerated[what] ?? 0);
    return { what, from, to, most: Math.max(...samples.map((sample) => sample[what])), isFlat };
  });
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

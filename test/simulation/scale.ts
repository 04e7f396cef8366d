/** What CI plays: this many schedules from each of these seeds, a test file each to share the cores. */
export const schedulesPerSeed = 2_500;
export const seeds = [1, 2, 3] as const;
export type Seed = (typeof seeds)[number];

/** And this many of processes with resource locks, from one seed. */
export const holdSchedules = 1_500;

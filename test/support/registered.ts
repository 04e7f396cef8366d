import type { Contender } from './election.ts';
import { until } from './wait.ts';

/** Presence and notices have a session of their own, which may come a moment after the term. */
export async function registered(contender: Promise<Contender>): Promise<Contender> {
  const { story } = await contender;
  await until(() => story.logged('registered').length > 0, {
    describe: 'the instance is registered',
  });
  return contender;
}

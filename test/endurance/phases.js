import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { startCluster } from '../../dist/embedded/cluster.js';
import { migrate, SingletonLockController } from '../../dist/index.js';
import { Sampler } from './sampler.js';

/** Rest is played this much faster than with the default lease. */
const compression = 10;

/** Who has resigned pauses before it campaigns again: enough others, so that no seat is ever empty. */
const labels = ['a', 'b', 'c', 'd', 'e', 'f'];
const restless = { ttlMs: 2_000, firstWaitMs: 20 };

/** Controllers of one name in this process, on a server of its own, which is gone afterwards. */
export async function endure({ handoversMs, restMs, everyMs }) {
  const cluster = await startCluster();
  try {
    await migrate({ connectionString: cluster.url() });
    const phases = [
      { name: 'handovers', lastsMs: handoversMs, isRestless: true, options: restless },
      { name: 'rest', lastsMs: restMs / compression, options: { ttlMs: 10_000 / compression } },
    ];
    const measured = [];
    for (const phase of phases.filter(({ lastsMs }) => lastsMs > 0)) {
      measured.push({ name: phase.name, samples: await play(cluster, phase, everyMs) });
    }
    return measured;
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
}

async function play(cluster, { name, lastsMs, options, isRestless = false }, everyMs) {
  const sampler = await Sampler.open(cluster);
  let terms = 0;
  const controllers = labels.map(
    (label) =>
      new SingletonLockController({ name, label, connectionString: cluster.url(), ...options }),
  );
  // A starved machine lets a standby's session idle out: no failure, as long as nothing is left of it.
  let warnings = 0;
  const failures = [];
  for (const controller of controllers) {
    controller.on('active', () => {
      terms += 1;
      if (isRestless) controller.resign().catch((error) => failures.push(error));
    });
    controller.on('warning', () => {
      warnings += 1;
    });
  }
  const samples = [];
  try {
    await Promise.all(controllers.map((controller) => controller.start()));
    if (terms === 0)
      await Promise.race(controllers.map((controller) => once(controller, 'active')));
    const endsAt = performance.now() + lastsMs;
    while (performance.now() < endsAt) {
      await pause(Math.min(everyMs, endsAt - performance.now()));
      samples.push(await sampler.sample({ terms, warnings }));
    }
  } finally {
    await Promise.all(controllers.map((controller) => controller.stop()));
    await sampler.close();
  }
  if (failures.length > 0) throw new AggregateError(failures, 'A resignation failed.');
  return samples;
}

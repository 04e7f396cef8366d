/** What is told from memory: no question goes to the database for any of it. */
import type { SingletonLockController } from '../core/controller.ts';
import { type AsJson, toJson } from '../core/json.ts';
import type { Leader, Standing } from '../core/surface.ts';
import type { Promises } from './promises.ts';
import type { HealthAnswer, LeaderAnswer } from './wire.ts';

export interface Told<Body> {
  readonly status: 200 | 503;
  readonly body: Body;
}

export function leaderAnswer(
  { name, instance, label }: SingletonLockController,
  promises: Promises,
): Told<LeaderAnswer> {
  const { standing, validForMs } = promises.give();
  const { token, leader } = standing;
  if (validForMs !== undefined && token !== undefined) {
    return { status: 200, body: { name, instance, label, token: `${token}`, validForMs } };
  }
  return { status: 503, body: { name, leader: leader === undefined ? null : shown(leader) } };
}

const shown = ({ token, instance, label }: Leader): AsJson<Leader> =>
  toJson({ token, instance, label });

/** Two beats and a hiccup late: one that was lost on its way is no reason to be restarted. */
const latestBeatMs = ({ heartbeatMs }: Standing): number => 2 * heartbeatMs + 500;

/** `GET /healthz`: 503 while it holds the seat, as far as it knows, and does not get a beat through. */
export function healthAnswer(controller: SingletonLockController): Told<HealthAnswer> {
  const standing = controller.standing();
  const { lastBeatAgeMs = 0 } = standing;
  if (lastBeatAgeMs <= latestBeatMs(standing)) {
    const isApart = !standing.isConnected && standing.state !== 'stopped';
    return about(controller, standing, true, isApart ? 'no session with the database' : null);
  }
  const reason = `holds the seat, and the last beat that was answered was sent ${Math.round(lastBeatAgeMs)} ms ago`;
  return about(controller, standing, false, reason);
}

/** `GET /readyz`: 200 as soon as it can campaign; it need not lead. */
export function readyAnswer(controller: SingletonLockController): Told<HealthAnswer> {
  const standing = controller.standing();
  if (standing.state === 'stopped') return about(controller, standing, false, 'stopped');
  if (standing.isConnected) return about(controller, standing, true, null);
  return about(controller, standing, false, 'no session with the database');
}

function about(
  { name, instance, label }: SingletonLockController,
  { state, isConnected, failures, lastBeatAgeMs }: Standing,
  ok: boolean,
  reason: string | null,
): Told<HealthAnswer> {
  return {
    status: ok ? 200 : 503,
    body: toJson({
      ok,
      reason,
      name,
      instance,
      label,
      state,
      isConnected,
      failures,
      lastBeatAgeMs,
    }),
  };
}

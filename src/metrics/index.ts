/**
 * `lockd/metrics`: what a controller and a lock manager tell Prometheus, on a registry of prom-client.
 *
 *     const lock = new SingletonLockController({ name: 'telegram-bot', connectionString });
 *     observeController(lock); // on the global registry of prom-client
 *     await lock.start();
 */
export { observeController } from './controller.ts';
export { observeLocks } from './locks.ts';
export type { MetricsRegistry, ObserveOptions } from './registry.ts';

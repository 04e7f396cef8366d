import type { SingletonLockController } from '../core/controller.ts';
import type { SuperviseSettings } from './settings.ts';
import type { Mandate, Task } from './task.ts';

/** The command runs once per term. */
export class Leading implements Task {
  readonly #controller: SingletonLockController;
  readonly #settings: SuperviseSettings;

  constructor(controller: SingletonLockController, settings: SuperviseSettings) {
    this.#controller = controller;
    this.#settings = settings;
  }

  run(work: (mandate: Mandate) => Promise<void>): Promise<void> {
    const { options, instance } = this.#settings;
    return this.#controller.whileActive((term) =>
      work({
        token: term.token,
        signal: term.signal,
        isActive: () => term.isActive(),
        environment: {
          LOCKD_NAME: options.name,
          LOCKD_TOKEN: String(term.token),
          LOCKD_INSTANCE: instance,
          // Of a `lockd lock` around this one: the token is not that of its hold.
          LOCKD_RESOURCE: undefined,
          LOCKD_SLOT: undefined,
        },
      }),
    );
  }

  stop(): Promise<void> {
    return this.#controller.stop();
  }
}

import { afterAll, beforeAll } from 'vitest';
import { expectNoLeaks, heldResources } from './leaks.ts';

/** As `leakCheck`, once for a whole file: where its tests run at the same time. */
export function leakCheckOfFile(): void {
  let before: Record<string, number> = {};
  beforeAll(() => {
    before = heldResources();
  });
  afterAll(() => expectNoLeaks(before));
}

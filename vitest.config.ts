import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/leaks-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Most of the time is spent waiting for leases, not computing.
    maxWorkers: 3,
    // Real processes on a shared machine: what fails twice more is broken, what does not was starved.
    retry: process.env['CI'] === undefined ? 0 : 2,
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text'] },
  },
});

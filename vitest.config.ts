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
    // Real processes on a shared machine: who waited in vain may have been starved. What was seen was
    // seen: two leaders at once, and not again, are two leaders.
    retry: {
      count: process.env['CI'] === undefined ? 0 : 2,
      condition: /^(Waited in vain|No line matched|Test timed out|Hook timed out)/,
    },
    // Guard and command line run in processes of their own, where this cannot look.
    coverage: {
      provider: 'v8',
      include: ['src/core/**/*.ts', 'src/postgres/**/*.ts'],
      reporter: ['text'],
      thresholds: {
        'src/core/**': { branches: 97 },
        'src/postgres/**': { branches: 93 },
      },
    },
  },
});

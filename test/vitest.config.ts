import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** One project a kind of test. `npx vitest run --config test/vitest.config.ts --project unit` runs one kind. */
const kinds = {
  unit: { timeoutMs: 120_000, parallel: true },
  contract: { timeoutMs: 120_000, parallel: true },
  parity: { timeoutMs: 120_000, parallel: true },
  // Commands that take a second each to start, and use no fixed port.
  cli: { timeoutMs: 120_000, parallel: true },
  e2e: { timeoutMs: 120_000, parallel: false },
  fault: { timeoutMs: 180_000, parallel: false },
} as const;

export default defineConfig({
  test: {
    // One less by default, which on two cores is one.
    maxWorkers: availableParallelism(),
    projects: Object.entries(kinds).map(([name, kind]) => ({
      test: {
        name,
        root: new URL('..', import.meta.url).pathname,
        include: [`test/${name}/**/*.test.ts`],
        testTimeout: kind.timeoutMs,
        hookTimeout: 120_000,
        setupFiles: ['test/support/property-seed.ts'],
        fileParallelism: kind.parallel,
        pool: 'forks',
        // Files of a worker share what they import, which is a third of the time otherwise. No module holds state.
        isolate: false,
      },
    })),
  },
});

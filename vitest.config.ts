import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

export default defineConfig({
  // Tests run the sources: the one package that another imports is not asked for its built copy.
  resolve: { alias: { '@s18i/lark/config': path('packages/lark/src/config.ts') } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['packages/lark-jobs/test/servers.ts'],
    setupFiles: ['packages/lark-jobs/test/leaks.ts'],
    // Most of the time is waiting, so two cores are enough for two at once: 5 minutes instead of 11.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})

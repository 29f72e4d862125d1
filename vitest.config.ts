import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** Parts of the paths of test files that take minutes. */
const long = ['/test/processes/', '/test/working/', '/test/conformance/', '/test/snippets']

/**
 * Starts the long test files first. Vitest starts the largest first, but the pages that run a whole suite have only a
 * few lines, so they came last: one worker was busy for minutes when the others had nothing left.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification) =>
      long.some((part) => moduleId.includes(part))
        ? long.findIndex((part) => moduleId.includes(part))
        : long.length
    return sorted.sort((a, b) => rank(a) - rank(b))
  }
}

const { version } = JSON.parse(readFileSync(path('packages/lark-jobs/package.json'), 'utf8'))

export default defineConfig({
  // As in the build: copies of the package work together if their versions do.
  define: { LARK_VERSION: JSON.stringify(version) },
  // Tests run the sources: the one package that another imports is not asked for its built copy.
  resolve: {
    alias: Object.fromEntries(
      ['config', 'internal'].map((name) => [`@s18i/lark/${name}`, path(`packages/lark/src/${name}.ts`)]),
    ),
  },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['packages/lark-jobs/test/servers.ts'],
    setupFiles: ['leaks', 'patience'].map((name) => `packages/lark-jobs/test/${name}.ts`),
    expect: { poll: { timeout: 30_000 } },
    sequence: { sequencer: LongestFirst },
    // A worker waits for about 60 % of its time: for processes, servers and clocks. With five on two cores, tests would
    // wait for a processor, and a lease thread would take jobs back from a worker that stands still for 8 ms.
    maxWorkers: Math.max(4, availableParallelism() - 1),
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})

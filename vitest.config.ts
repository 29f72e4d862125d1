import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig, type UserWorkspaceConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** Parts of the paths of test files that take half a minute or more. */
const long = [
  ...['/test/processes/', '/test/working/', '/test/conformance/', '/test/transactions/', '/test/snippets'],
  ...['/test/isolation/', '/test/outbox/', '/test/redis/', '/test/packed', '/test/seed', '/test/bench'],
]

/**
 * Starts the long test files first. Vitest starts the largest first, but the pages that run a whole suite have only a
 * few lines, so they came last: one worker was busy for minutes when the others had nothing left.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId, project }: TestSpecification) => {
      // A process that files share ends when the next file has its own.
      if (project.name === 'together') return long.length + 1
      const at = long.findIndex((part) => moduleId.includes(part))
      return at === -1 ? long.length : at
    }
    return sorted.sort((a, b) => rank(a) - rank(b))
  }
}

/**
 * Rooms of lark-jobs whose files share a process with those before them, which spares each a third of a second
 * of CPU: for the process, and for the import of what it tests.
 */
const rooms = 'api,commands,config,flow,model,operate,redis,run,schedule,sqlite,supervisor,telemetry,worker'
/** Files of these rooms that need a process of their own. */
const own = [
  // They replace a module, or test what a process has not before its first worker or its first context.
  ...['birth', 'context', 'dispatch-now', 'job-error', 'lease-watch', 'maintenance'],
  // They list the job classes that a process knows.
  ...['by-hand', 'known-jobs'],
  // They run commands on the store that the environment names, and failed if the process had another already.
  ...['*-commands', 'jobs-*', 'screens', 'configured'],
  // They count what a process sends, or failed at times in a process that others had used.
  ...['cost', 'presence', 'processes'],
  // They take half a minute, so they begin before the shared processes, which come last.
  ...['cluster', 'credentials', 'failover', 'idle', 'sentinel', 'working'],
].join('|')
const together = [
  `packages/lark-jobs/test/{${rooms}}/!(${own}).test.ts`,
  'packages/lark-bullmq/test/!(worker).test.ts',
  'packages/lark-bullmq/test/import/!(importing).test.ts',
  'packages/lark-{dashboard,jobs-bench}/test/*.test.ts',
]
/** `npm test` runs them when the others have ended, or beside them. */
const later = ['packages/lark-jobs/test/chaos/chaos.test.ts', '**/test/browser/*.test.ts']

const { version } = JSON.parse(readFileSync(path('packages/lark-jobs/package.json'), 'utf8'))

function project(name: string, own: UserWorkspaceConfig['test']): UserWorkspaceConfig {
  return {
    // As in the build: copies of the package work together if their versions do.
    define: { LARK_VERSION: JSON.stringify(version) },
    // Tests run the sources: the one package that another imports is not asked for its built copy.
    resolve: {
      alias: Object.fromEntries(
        ['config', 'internal'].map((name) => [`@s18i/lark/${name}`, path(`packages/lark/src/${name}.ts`)]),
      ),
    },
    test: {
      name,
      setupFiles: ['cpu-time', 'leaks', 'patience'].map((name) => `packages/lark-jobs/test/${name}.ts`),
      expect: { poll: { timeout: 30_000 } },
      testTimeout: 60_000,
      hookTimeout: 60_000,
      ...own,
    },
  }
}

const all = ['packages/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'test/**/*.test.ts']

/** Where `npm test` keeps translated modules. The cache does not know all that they depend on: so it is of one run. */
const modules = process.env.LARK_MODULES

export default defineConfig({
  test: {
    experimental: modules === undefined ? {} : { fsModuleCache: true, fsModuleCachePath: modules },
    globalSetup: ['packages/lark-jobs/test/servers.ts'],
    sequence: { sequencer: LongestFirst },
    // A worker waits for about 60 % of its time: for processes, servers and clocks. With five on two cores, tests would
    // wait for a processor, and a lease thread would take jobs back from a worker that stands still for 8 ms.
    maxWorkers: Math.max(4, availableParallelism() - 1),
    projects: [
      project('alone', { include: all, exclude: [...configDefaults.exclude, ...together, ...later] }),
      project('together', { include: together, isolate: false }),
      project('later', { include: later }),
    ],
  },
})

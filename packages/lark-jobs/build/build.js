import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from '../../lark/build/bundle.js'
import { embedLua } from './embed-lua.js'

const lua = await embedLua()

const folder = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
// Each file in `dist/commands` is imported to find its commands, so only files with commands are entries.
const commands = readdirSync(`${folder}/src/commands`, { recursive: true, encoding: 'utf8' })
  .filter((file) => /^(jobs|make|outbox|schedule)-.*\.ts$/.test(basename(file)))
  .map((file) => `src/commands/${file.replaceAll('\\', '/')}`)
/** @param {string} file */
const nameOf = (file) => `commands/${basename(file, '.ts')}`

const LUA = 'export const lua = '

await build({
  folder,
  entries: {
    index: 'src/index.ts',
    operate: 'src/operate.ts',
    internal: 'src/internal.ts',
    otel: 'src/otel.ts',
    testing: 'src/testing.ts',
    init: 'src/commands/init.ts',
    'lease-watch': 'src/worker/lease/lease-watch.ts',
    'supervised-guard': 'src/supervisor/orphan-guard.ts',
    'health-thread': 'src/telemetry/health/health-thread.ts',
    isolated: 'src/isolated.ts',
    'redis-store': 'src/store/redis/store.ts',
    'sqlite-store': 'src/store/sqlite/store.ts',
    ...Object.fromEntries(commands.map((file) => [nameOf(file), file])),
  },
  exported: ['index', 'operate', 'otel', 'internal', 'testing'],
  required: ['index', 'operate', 'otel', 'internal', 'testing', 'redis-store', 'sqlite-store'],
  alone: ['lease-watch', 'supervised-guard', 'health-thread', 'isolated', ...commands.map(nameOf)],
  // The package contains the Lua once. The CommonJS build reads it from the ES module.
  written: { 'lua.js': `${LUA}${JSON.stringify(lua)}\n` },
  outside: { 'src/store/redis/scripts.generated.ts': 'lua.js' },
  replaced: {
    'src/store/redis/scripts.generated.ts': `
      import { readFileSync } from 'node:fs'
      import { join } from 'node:path'
      const text = readFileSync(join(__dirname, 'lua.js'), 'utf8')
      export const lua = JSON.parse(text.slice(${LUA.length}))`,
  },
  chunks: {
    // `bounded-wait.ts` is for the client of Redis too, which would load the lease thread's code for it; `grouped.ts` and
    // `in-lots.ts` for who looks at jobs, which would load a worker for them.
    dispatch: [
      'src/index.ts',
      'src/model/record.ts',
      'src/model/grouped.ts',
      'src/waiting/bounded-wait.ts',
      'src/store/contract/rules/in-lots.ts',
    ],
    // What both stores need, and what they share with a worker: a dispatch does not load a worker for it.
    contract: [
      'src/model/effect.ts',
      'src/store/contract/effects.ts',
      'src/store/contract/rules/layout.ts',
      ...['reason', 'unreadable', 'after-run', 'undoing', 'pause', 'rate', 'signal-room'].map(
        (name) => `src/store/contract/rules/${name}.ts`,
      ),
    ],
    credentials: ['src/store/contract/connection/credentials.ts'],
    // Stored errors, their kinds, moved jobs, children, blocked loops, and words for counts: for a worker and for
    // who looks at jobs.
    'job-error': [
      'src/model/blocked-loop.ts',
      'src/model/run/job-error.ts',
      'src/flow/child.ts',
      'src/run/fingerprint.ts',
      'src/store/contract/moved.ts',
      ...['dropped-words', 'plural'].map((name) => `src/words/${name}.ts`),
    ],
    lease: ['src/worker/lease/lease-watch.ts'],
    // With the parser of cron expressions, for a worker and for who looks at schedules.
    schedules: ['src/schedule/book.ts', 'src/schedule/declared.ts', 'src/dispatch/schedule-definition.ts'],
    // Rows in the database of the application: for a worker, for who looks at jobs, and for who dispatches.
    outbox: ['outbox-database', 'row'].map((name) => `src/outbox/${name}.ts`),
    'isolation-guard': ['src/isolation/memory-guard.ts'],
    // A run, for a worker and for an isolated process, which needs nothing else of a worker.
    run: ['src/run/runner.ts', 'src/options/registry.ts'],
    'isolation-messages': ['crossed-error', 'messages'].map((name) => `src/isolation/${name}.ts`),
    'isolated-child': ['src/api/isolated-host.ts'],
    work: ['src/api/work.ts'],
    isolation: ['src/isolation/pool.ts'],
    operations: [
      'src/operate.ts',
      'src/operate/look/stored-jobs.ts',
      ...['results', 'watcher'].map((name) => `src/operate/events/${name}.ts`),
      ...['job-changes', 'retry', 'pause'].map((name) => `src/operate/change/${name}.ts`),
      'src/operate/measures/status.ts',
      'src/operate/findings/alarms.ts',
    ],
    // For who dispatches a flow, and for packages of this repository.
    'flow-definition': ['flow-definition', 'node-names'].map((name) => `src/dispatch/${name}.ts`),
    'redis-client': ['src/store/redis/verbs/erase.ts'],
    'sqlite-erase': ['src/store/sqlite/erase.ts'],
    // Without a worker and a parser of cron expressions: `lark jobs:status` and completions load none.
    command: commands.filter((file) => /\/(jobs-(?!work\.)|outbox-)/.test(file)),
    'schedule-command': commands.filter((file) => file.includes('/schedule-')),
    'work-command': ['src/commands/workers/jobs-work.ts'],
  },
})

/**
 * The tables of options in the manual must have each option of each schema, with its values and its default.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { nodeOptions } from '../../src/api/flows/workflow-builder.ts'
import { auditBounds } from '../../src/config/audit.ts'
import { hookOptions, jobsOptions } from '../../src/config/config.ts'
import { dashboardOptions, environmentOptions } from '../../src/config/dashboard.ts'
import { isolationOptions } from '../../src/config/isolation.ts'
import { keepOptions, keptOptions } from '../../src/config/keep.ts'
import { limiterConfig } from '../../src/config/limiters.ts'
import { outboxOptions } from '../../src/config/outbox.ts'
import { queueOptions } from '../../src/config/queues.ts'
import { schedulesOptions } from '../../src/config/schedules.ts'
import { Job } from '../../src/index.ts'
import { actorSchema } from '../../src/operate/audit/actor.ts'
import { eventOptions } from '../../src/operate/events/event-stream.ts'
import { flowKeep } from '../../src/options/flow.ts'
import { groupOptions } from '../../src/options/group.ts'
import { isolatedOptions } from '../../src/options/isolated.ts'
import { classSettings, jobSettings } from '../../src/options/job-settings.ts'
import { classKeep } from '../../src/options/keep.ts'
import { limiterOptions } from '../../src/options/limiter.ts'
import { rateOptions } from '../../src/options/limits.ts'
import { idOptions } from '../../src/options/own-id.ts'
import { payloadOptions } from '../../src/options/payload-rules.ts'
import { scheduleEntry } from '../../src/options/schedules/class-schedule.ts'
import { cronOptions } from '../../src/options/schedules/recurrence.ts'
import type { Entries } from '../../src/options/schema.ts'
import { uniqueOptions } from '../../src/options/unique.ts'
import { circuitBreakerOptions } from '../../src/run/middleware/circuit-breaker.ts'
import { rateLimitedOptions } from '../../src/run/middleware/rate-limited.ts'
import { timingOptions } from '../../src/run/middleware/timing.ts'
import { overlappingOptions } from '../../src/run/middleware/without-overlapping.ts'
import { durationForm, milliseconds } from '../../src/words/duration.ts'
import { workOptions } from '../../src/worker/options.ts'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const read = (path: string) => readFileSync(`${root}/${path}`, 'utf8')

class PlainJob extends Job {
  handle() {}
}
const ofJob = { ...new PlainJob() } as Record<string, unknown>

/** The page of a table, and the text of the line above the table. */
type Place = [page: string, above: string]

const tables: Record<string, [Place, Entries]> = {
  'a job': [['creating-jobs', '## Settings'], { ...classSettings.entries, ...jobSettings.entries }],
  'a payload': [['payloads', '# Payloads'], payloadOptions.entries],
  'a limiter of a class': [['class-limits', 'The options of `limiter()`:'], limiterOptions.entries],
  'the configuration': [['configuration', 'The section `jobs`:'], jobsOptions.entries],
  'a queue': [['queue-settings', 'The options of a queue:'], queueOptions.entries],
  'what is kept': [['retention', 'The options of `keep`:'], keepOptions.entries],
  'how much is kept': [['retention', 'The options of each:'], keptOptions.entries],
  'what is kept of changes by hand': [['retention', 'The options of `audit`:'], auditBounds.entries],
  'who changes something': [['audit', 'The options of `actor`:'], actorSchema.entries],
  'keep() of a class': [['retention', 'The options of `keep()` of a class:'], classKeep.entries],
  schedules: [['configuration', '### Schedules'], schedulesOptions.entries],
  'the dashboard': [['configuration', '### Dashboard'], dashboardOptions.entries],
  'the outbox': [['outbox', '# Configuring the Outbox'], outboxOptions.entries],
  'the processes of isolated classes': [['configuration', '### Isolation'], isolationOptions.entries],
  'isolated()': [['isolation', 'The options of `isolated()`:'], isolatedOptions.entries],
  'an installation': [['configuration', 'The options of `environment`:'], environmentOptions.entries],
  'cron()': [['schedules', 'The options of `cron()` and `daily()`:'], cronOptions.entries],
  'a schedule of a class': [['schedules', 'The fields of a schedule:'], scheduleEntry.entries],
  'a rate': [['queue-settings', 'The options of a `rate`:'], rateOptions.entries],
  'a limiter': [['queue-settings', 'The options of a limiter:'], limiterConfig.entries],
  'unique jobs': [['unique-jobs', '## Options'], without(uniqueOptions.entries, 'by')],
  'a group': [['groups', '## Options'], without(groupOptions.entries, 'by')],
  'withId()': [['handles', 'The options of `withId()`:'], idOptions.entries],
  'timing()': [['middleware', 'The options of `timing()`:'], timingOptions.entries],
  'withoutOverlapping()': [
    ['limiting-middleware', 'The options of `withoutOverlapping()`:'],
    overlappingOptions.entries,
  ],
  'rateLimited()': [['limiting-middleware', 'The options of `rateLimited()`:'], rateLimitedOptions.entries],
  'circuitBreaker()': [
    ['limiting-middleware', 'The options of `circuitBreaker()`:'],
    circuitBreakerOptions.entries,
  ],
  'Jobs.events()': [['events', '## Options'], eventOptions.entries],
  'a node of a workflow': [['flows', 'The options of `w.add()`:'], nodeOptions.entries],
  'keep() of a flow': [['flows-that-fail', 'The options of `.keep()`:'], flowKeep.entries],
  'a worker': [['workers-in-code', 'The options of `Jobs.work()`:'], workOptions.entries],
}

function without(entries: Entries, name: string): Entries {
  return Object.fromEntries(Object.entries(entries).filter(([each]) => each !== name))
}

/** Returns the cells of the first table after a line. */
function tableAt([page, above]: Place): string[][] {
  const lines = read(`docs/${page}.md`).split('\n')
  const from = lines.indexOf(above)
  expect(from, `${page}.md has a line "${above}"`).toBeGreaterThan(-1)
  const first = lines.findIndex((line, i) => i > from && line.startsWith('|'))
  const rows = lines.slice(first).slice(
    0,
    lines.slice(first).findIndex((line) => !line.startsWith('|')),
  )
  return rows.slice(2).map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

test.each(Object.entries(tables))(
  'the table of %s has each option with its values and its default',
  (_, [place, entries]) => {
    const table = tableAt(place)
    expect(table.map(([name]) => name)).toEqual(Object.keys(entries).map((name) => `\`${name}\``))
    for (const [name, right, byDefault, meaning] of table) {
      const option = entries[name!.slice(1, -1)]!
      expect(right, name).toBe(option.right.replace(durationForm, 'a duration'))
      expect(meaning!.length, name).toBeGreaterThan(10)
      const fallback =
        option.traits.fallback ?? (place[0] === 'creating-jobs' ? ofJob[name!.slice(1, -1)] : undefined)
      if (fallback === undefined || typeof fallback === 'object') continue
      const code =
        /^`(.*)`$/.exec(byDefault!)?.[1] ?? expect.fail(`${name} has a default: ${inspect(fallback)}`)
      if (milliseconds(fallback) === undefined) expect(code, name).toBe(inspect(fallback))
      else expect(milliseconds(code.replaceAll("'", '')) ?? Number(code), name).toBe(milliseconds(fallback))
    }
  },
)

test('the table of hooks has each hook of the schema', () => {
  const names = tableAt(['middleware', '## Hooks']).map(([name]) => name)
  expect(names).toEqual(Object.keys(hookOptions.entries).map((name) => `\`${name}\``))
})

test('each schema has a table in the manual', () => {
  const files = readdirSync(`${root}/packages/lark-jobs/src`, { recursive: true, encoding: 'utf8' })
  const schemas = files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('schema.ts') && !file.endsWith('filter.ts'))
    .flatMap((file) => [...read(`packages/lark-jobs/src/${file}`).matchAll(/new Schema\(/g)].map(() => file))
  // The two schemas of a job share one table, and so do the two of a node. The schemas of the hooks and of a
  // flow have no table, because they are methods.
  expect(schemas).toHaveLength(Object.keys(tables).length + 4)
})

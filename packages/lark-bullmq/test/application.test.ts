/**
 * Runs one application with BullMQ on Redis, and with another import on each store of Lark, and expects the
 * same results.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Cluster, startCluster } from '../../lark-jobs/test/redis/cluster.ts'
import { newPrefix, removeKeys } from '../../lark-jobs/test/redis/place.ts'
import { stories as ofQueues, type Place } from './stories/application.ts'
import { stories as ofQueuesOnLark } from './stories/application-on-lark.ts'
import { stories as ofBounding } from './stories/bounding.ts'
import { stories as ofBoundingOnLark } from './stories/bounding-on-lark.ts'
import { stories as ofChildren } from './stories/children.ts'
import { stories as ofChildrenOnLark } from './stories/children-on-lark.ts'
import { stories as ofClearing } from './stories/clearing.ts'
import { stories as ofClearingOnLark } from './stories/clearing-on-lark.ts'
import { stories as ofFinding } from './stories/finding.ts'
import { stories as ofFindingOnLark } from './stories/finding-on-lark.ts'
import { stories as ofFlows } from './stories/flows.ts'
import { stories as ofFlowsOnLark } from './stories/flows-on-lark.ts'
import { stories as ofMeasuring } from './stories/measuring.ts'
import { stories as ofMeasuringOnLark } from './stories/measuring-on-lark.ts'
import { stories as ofMembers } from './stories/members.ts'
import { stories as ofMembersOnLark } from './stories/members-on-lark.ts'
import { stories as ofRefusing } from './stories/refusing.ts'
import { stories as ofRefusingOnLark } from './stories/refusing-on-lark.ts'
import { stories as ofRepeatable } from './stories/repeatable.ts'
import { stories as ofRepeatableOnLark } from './stories/repeatable-on-lark.ts'
import { stories as ofTelling } from './stories/telling.ts'
import { stories as ofTellingOnLark } from './stories/telling-on-lark.ts'
import { stories as ofTracing } from './stories/tracing.ts'
import { stories as ofTracingOnLark } from './stories/tracing-on-lark.ts'

const onBullMQ = {
  ...ofQueues,
  ...ofFlows,
  ...ofMembers,
  ...ofTelling,
  ...ofClearing,
  ...ofRefusing,
  ...ofRepeatable,
  ...ofBounding,
  ...ofChildren,
  ...ofTracing,
  ...ofMeasuring,
  ...ofFinding,
}
const onLark = {
  ...{ ...ofQueuesOnLark, ...ofFlowsOnLark, ...ofMembersOnLark },
  ...{ ...ofTellingOnLark, ...ofClearingOnLark, ...ofRefusingOnLark, ...ofRepeatableOnLark },
  ...ofBoundingOnLark,
  ...ofChildrenOnLark,
  ...ofTracingOnLark,
  ...ofMeasuringOnLark,
  ...ofFindingOnLark,
}
const read = (name: string) => readFileSync(new URL(`stories/${name}`, import.meta.url), 'utf8')

test.each([
  'application',
  'flows',
  'members',
  'telling',
  'clearing',
  'refusing',
  'repeatable',
  'bounding',
  'children',
  'tracing',
  'measuring',
  'finding',
])('the %s for Lark is the file for BullMQ with another import', (name) => {
  const changed = read(`${name}.ts`).replace(/from 'bullmq5?'/, "from '../../src/index.ts'")
  expect(read(`${name}-on-lark.ts`)).toBe(changed)
})

/** The results of BullMQ by story. All stories begin at once, because they mostly wait. */
let done: Record<string, Promise<unknown>>
let cluster: Cluster
const prefix = `bull-${newPrefix()}`

beforeAll(async () => {
  const { hostname: host, port } = new URL(inject('redisUrl'))
  const place = { connection: { host, port: Number(port) }, prefix }
  done = allOf(onBullMQ, place)
  cluster = await startCluster({ replicas: 0, nodeTimeout: 15_000 })
  await Promise.allSettled(Object.values(done))
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  await removeKeys(inject('redisUrl'), prefix)
})

function allOf(stories: typeof onLark, place: Place): Record<string, Promise<unknown>> {
  return Object.fromEntries(
    Object.entries(stories).map(([name, story]) => {
      const ending = within(story(place))
      ending.catch(() => {})
      return [name, ending]
    }),
  )
}

/** The longest duration of a story, in milliseconds. */
const LONGEST = 20_000

async function within(story: Promise<unknown>): Promise<unknown> {
  const over = new AbortController()
  const late = sleep(LONGEST, undefined, over).then(() => {
    throw new Error(`the story has not ended within ${LONGEST} ms`)
  })
  late.catch(() => {})
  return await Promise.race([story, late]).finally(() => over.abort())
}

const url = (text: string) => {
  const { hostname: host, port } = new URL(text)
  return { host, port: Number(port) }
}

describe.each<[string, () => unknown, () => string | undefined]>([
  ['the embedded store', () => 'sqlite::memory:', () => undefined],
  ['Redis', () => url(inject('redisUrl')), () => inject('redisUrl')],
  ['Valkey', () => url(inject('valkeyUrl')), () => inject('valkeyUrl')],
  ['a cluster', () => cluster.url, () => cluster.url],
])('on %s', (_, connection, keys) => {
  const own = newPrefix()
  let lark: Record<string, Promise<unknown>>
  beforeAll(async () => {
    lark = allOf(onLark, { connection: connection(), prefix: `{${own}}` })
    await Promise.allSettled(Object.values(lark))
  })
  afterAll(async () => {
    const at = keys()
    if (at !== undefined) await removeKeys(at, own)
  })

  test.each(Object.keys(onLark))('%s', async (name) => {
    expect(await lark[name]).toEqual(await done[name])
  })
})

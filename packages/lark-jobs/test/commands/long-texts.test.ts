/**
 * Texts of users that are far too long: calls must refuse them quickly, and messages must not repeat them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LarkError } from '@s18i/lark/internal'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  batch,
  chain,
  createJobs,
  cron,
  daily,
  defineJob,
  every,
  Job,
  type Jobs,
  rateLimited,
  workflow,
} from '../../src/index.ts'
import { operate } from '../../src/operate.ts'

class SaveJob extends Job {
  handle(_payload?: unknown) {}
}

let folder: string
let jobs: Jobs
let place: { connection: string }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lark-long-'))
  place = { connection: `sqlite:${join(folder, 'jobs.db')}` }
  jobs = createJobs({ ...place, jobs: [SaveJob] })
  await jobs.dispatch(new SaveJob().with(1).withId('one'))
})
afterAll(async () => {
  await jobs.close()
  await rm(folder, { recursive: true })
})

/**
 * Letters, characters that a message shows as escapes, characters of several bytes, and characters that some
 * names may not have.
 */
const long = ['Europe/Paris', '\u0000', '日', ', : '].map((part) =>
  `x${part}`.repeat(20_000 / (part.length + 1)),
)

/** Functions that take a text. All of them must refuse the long texts. */
const entries: Record<string, (text: string) => unknown> = {
  'a time zone': (text) => cron('0 3 * * *', { timezone: text }),
  'a cron expression': (text) => cron(text),
  'a time': (text) => daily(text),
  'an interval': (text) => every(text),
  'an instant': (text) => every('1h', { from: text }),
  'an option of a schedule': (text) => every('1h', { [text]: 1 }),
  'the key of a job': (text) => jobs.dispatchByKey(text),
  'a key of Lark': (text) => jobs.dispatchByKey(`lark:${text}`),
  'an option of a dispatch': (text) => jobs.dispatchByKey('SaveJob', 1, { [text]: 1 }),
  'a queue': (text) => jobs.dispatchByKey('SaveJob', 1, { queueName: text }),
  'a delay': (text) => jobs.dispatch(new SaveJob().with(1).delayed(text as '1s')),
  'an id': (text) => jobs.dispatch(new SaveJob().with(1).withId(text)),
  'a tag': (text) => jobs.dispatch(new SaveJob().with(1).tagged(text)),
  'a path of a payload': (text) => jobs.dispatch(new SaveJob().with({ [text]: { [text]: () => {} } })),
  'an id to find': (text) => jobs.find(text),
  'an id to cancel': (text) => jobs.cancel(text),
  'the queue of an id': (text) => jobs.cancel(['one'], { queue: text }),
  'a condition': (text) => jobs.cancel({ [text]: 1 } as never),
  'a queue in a filter': (text) => jobs.list({ queue: text }),
  'a state in a filter': (text) => jobs.list({ state: text as 'failed' }),
  'a kind of failure': (text) => jobs.list({ kind: text }),
  'since when': (text) => jobs.list({ since: text }),
  'a path in a filter': (text) => jobs.cancel({ where: { [text]: { [text]: () => {} } } }),
  'a cursor': (text) => jobs.list({}, { cursor: text }),
  'a queue to pause': (text) => jobs.pause({ queue: text }),
  'the reason of a group': (text) => jobs.pause({ queue: text, group: 'a', because: 'b' }),
  'a schedule': (text) => jobs.schedules.pause(text),
  'the id of a schedule': (text) => jobs.schedules.set(text, SaveJob.with(1), every('1h')),
  'a flow': (text) => jobs.flow(text).cancel(),
  'the name of a flow': (text) => workflow(text, () => {}).dispatch(),
  'the name of a node': (text) => workflow('w', (w) => w.add(SaveJob.with(1), { name: text })).dispatch(),
  'an option of a node': (text) => workflow('w', (w) => w.add(SaveJob.with(1), { [text]: 1 })).dispatch(),
  'a step': (text) => chain([text as never]).dispatch(),
  'a member': (text) => batch([text as never]).dispatch(),
  'the key of a class': (text) => jobs.dispatch(defineJob({ key: text }).with()),
  'the setting of a class': (text) => jobs.dispatch(defineJob({ key: 'long-setting', timeout: text }).with()),
  'a limiter': (text) => rateLimited(text, { [text]: 1 } as never),
  'an option of a worker': (text) => jobs.work({ [text]: 1 } as never),
  'a queue of a worker': (text) => jobs.work({ queues: [text] }),
  'the configuration': (text) => createJobs({ [text]: 1 } as never).status(),
  'a connection': (text) => createJobs({ connection: text }).status(),
  'a queue of the configuration': (text) => createJobs({ ...place, queues: [text] }).status(),
  'by hand: a key': (text) => operate(jobs).dispatch(text),
  'by hand: a record': (text) => operate(jobs).import([{ id: text, [text]: 1 }]),
  'by hand: a state of a record': (text) =>
    operate(jobs).import([
      { id: 'a', key: text, partition: 'default', payload: text, state: text, errors: [] },
    ]),
  'by hand: whom': (text) => operate(jobs).audit({ [text]: 1 } as never),
}

test.each(Object.entries(entries))('%s', async (_, call) => {
  for (const text of long) {
    const error = await Promise.resolve(text)
      .then(call)
      .catch((thrown: unknown) => thrown)
    if (!LarkError.is(error)) throw new Error('it was not refused', { cause: error })
    expect(error.message.length).toBeLessThan(1_500)
    expect(error.hint?.length ?? 0).toBeLessThan(1_500)
  }
})

/**
 * Events while workers are killed and the store restarts. Every change of a job's state is an event, in order
 * and once, also for a listener that continues in another process.
 *
 * `LARK_EVENTS=5000` sets the number of jobs.
 */
import { expect } from 'vitest'
import {
  createJobs,
  type EventGap,
  type EventKind,
  Job,
  type Jobs,
  type QueueEvent,
} from '../../src/index.ts'
import { App } from './app.ts'
import { files, killWorkers, type Place } from './awaiting.ts'

const COUNT = Number(process.env.LARK_EVENTS ?? 200)

class SquareJob extends Job {
  override key = 'square'
  handle(_payload: { n: number; fails?: boolean }) {}
}

type State = 'new' | 'pending' | 'active' | 'crashed' | 'ended'

/**
 * For each event, the states in which a job may be before it, and the state after it. A job that crashed may
 * fail because of the crash.
 */
const changes: Partial<Record<EventKind, [before: State[], after: State]>> = {
  queued: [['new'], 'pending'],
  started: [['pending', 'crashed'], 'active'],
  crashed: [['active'], 'crashed'],
  returned: [['active'], 'pending'],
  completed: [['active'], 'ended'],
  failed: [['active', 'crashed'], 'ended'],
}

/** The states of the jobs according to the events. */
class Told {
  readonly states = new Map<string, State>()
  readonly wrong: string[] = []
  /** Called with the number of jobs that have ended. */
  onEnd: (count: number) => void = () => {}
  ended = 0

  hear(event: QueueEvent | EventGap): void {
    if (event.kind === 'gap') {
      this.wrong.push('gap')
      return
    }
    const before = this.states.get(event.id) ?? 'new'
    const [right, after] = changes[event.kind] ?? [[], before]
    if (!right.includes(before)) this.wrong.push(`${event.id} is ${before}, and then ${event.kind}`)
    this.states.set(event.id, after)
    if (after === 'ended') this.ended += 1
  }
}

/** Listens until this many jobs have ended. @returns the cursor from which another listener continues */
async function hear(jobs: Jobs, told: Told, count: number, since?: string): Promise<string> {
  for await (const event of jobs.events({ since })) {
    told.hear(event)
    if (told.ended >= count) return event.cursor
  }
  throw new Error('the events have ended')
}

/** @param harm called once, to disturb the store while jobs run */
export async function listenUnderAbuse(
  { connection, prefix }: Place,
  harm: () => Promise<void> = async () => {},
): Promise<void> {
  await using app = await App.make(files, { LARK_JOBS_URL: connection, PREFIX: prefix ?? '' })
  const make = () => createJobs({ connection, ...(prefix !== undefined && { prefix }) })
  await using web = make()
  const events = await web.events().ready()
  const { cursor } = events
  await events.return()
  const drafts = Array.from({ length: COUNT }, (_, n) =>
    SquareJob.with({ n, ...(n % 5 === 0 && { fails: true }) }),
  )
  const handles = await web.dispatch(drafts)

  const over = new AbortController()
  const killing = killWorkers(app, over.signal)
  const told = new Told()
  const hearing = (async () => {
    let since = cursor
    for (const share of [0.2, 0.6, 1]) {
      await using listener = make()
      since = await hear(listener, told, COUNT * share, since)
    }
  })()
  await harm()
  await hearing
  over.abort()
  await killing
  expect(told.wrong).toEqual([])
  expect([...told.states.keys()].sort()).toEqual(handles.map(({ id }) => id).sort())
}

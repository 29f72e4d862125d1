/**
 * The streams of server-sent events with the results of searches. A stream brings the found jobs while the
 * search goes on. A search ends when it has looked at all jobs, when it has found a page of jobs, or when the
 * browser disconnects.
 */
import { LarkError } from '@s18i/lark/config'
import { defined } from '@s18i/lark/internal'
import type { ListFilter, Operate, SearchStep } from '@s18i/lark-jobs/operate'
import { allowed } from './change/chosen.ts'
import { object, oneOf, optional, type Shape, text, upTo } from './guard/input.ts'
import type { KnownViewer } from './guard/viewer.ts'
import { type ShownJob, shownJob } from './look/shown-to-viewer.ts'
import { askAgain, eventText, streamHeaders } from './streams.ts'

/** The number of jobs after which a search ends. The viewer may then ask for more jobs. */
const MOST_FOUND = 200
/**
 * How many searches a process makes at the same time. The number is low because each search uses a part of
 * the store's time.
 */
const TOGETHER = 2
/**
 * The maximum number of searches of a process that go on or wait for their turn, and of such searches of one
 * user.
 */
const MOST = 50
const MOST_OF_A_USER = 10

export interface SearchInput {
  filter?: ListFilter
  order?: 'newest' | 'oldest'
  /** The cursor of the last step that the browser has received. */
  cursor?: string
  limit?: number
}

export const searched: Shape<SearchInput> = {
  filter: optional(object),
  order: optional(oneOf(['newest', 'oldest'])),
  cursor: optional(text),
  limit: optional(upTo(MOST_FOUND)),
}

/** A step of a search in the form for a viewer: its jobs have no payload, result and progress. */
export interface FoundStep extends Omit<SearchStep, 'jobs'> {
  jobs: Omit<ShownJob, 'payload' | 'result' | 'progress'>[]
}

interface Search {
  user: string
  abort: AbortController
}

export class Searches {
  readonly #open = new Set<Search>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  /**
   * Opens the stream of a search. If the search cannot begin, the answer is an error and not a stream.
   *
   * @param isStill returns whether the viewer may still see the dashboard
   * @throws VALUES_REFUSED, TOO_MANY_STREAMS, FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   */
  async open(
    request: Request,
    viewer: KnownViewer,
    { filter = {}, order, cursor, limit = MOST_FOUND }: SearchInput,
    operate: Operate,
    isStill: () => Promise<boolean>,
  ): Promise<Response> {
    const conditions = allowed(viewer, filter)
    this.#checkRoom(viewer.user)
    const search: Search = { user: viewer.user, abort: new AbortController() }
    const { signal } = search.abort
    const stop = () => search.abort.abort()
    if (request.signal.aborted) stop()
    request.signal.addEventListener('abort', stop, { once: true })
    const leave = askAgain(isStill, stop)
    this.#open.add(search)
    const end = () => {
      leave()
      request.signal.removeEventListener('abort', stop)
      if (this.#open.delete(search)) this.#pass()
    }
    try {
      await this.#turn()
      const steps = operate.search(conditions, { limit, signal, ...defined({ order, cursor }) })
      const first = await steps.next()
      const told = stepsAfter(first, steps, viewer)
      return new Response(streamOf(told, { stop, end }), { headers: streamHeaders })
    } catch (error) {
      end()
      throw error
    }
  }

  close(): void {
    for (const { abort } of this.#open) abort.abort()
  }

  async #turn(): Promise<void> {
    if (this.#running++ < TOGETHER) return
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #pass(): void {
    this.#running--
    this.#waiting.shift()?.()
  }

  /** @throws TOO_MANY_STREAMS */
  #checkRoom(user: string): void {
    const own = [...this.#open].filter((search) => search.user === user).length
    if (own < MOST_OF_A_USER && this.#open.size < MOST) return
    const text =
      own < MOST_OF_A_USER ? `${MOST} searches go on on this server` : `${own} searches of ${user} go on`
    throw new LarkError('TOO_MANY_STREAMS', `${text}: stop one, or wait until one has ended`)
  }
}

async function* stepsAfter(
  first: IteratorResult<SearchStep>,
  steps: AsyncGenerator<SearchStep>,
  viewer: KnownViewer,
): AsyncGenerator<FoundStep> {
  for (let step = first; !step.done; step = await steps.next()) {
    const { jobs, ...rest } = step.value
    yield { ...rest, jobs: jobs.map((job) => withoutValues(shownJob(job, viewer))) }
  }
}

/** Removes the values from a job. They may be large, and a row of the list does not show them. */
function withoutValues({ payload, result, progress, ...job }: ShownJob): FoundStep['jobs'][number] {
  return job
}

/**
 * The stream has an event `found` for each step, and ends with an event `end`, or `failed` with the error.
 * Steps that a slow browser has not read are kept, because a search finds only a page of jobs.
 */
function streamOf(
  steps: AsyncGenerator<FoundStep>,
  { stop, end }: { stop(): void; end(): void },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let isGone = false
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const tell = (event: string, data: unknown) => {
        if (!isGone) controller.enqueue(encoder.encode(eventText(event, data)))
      }
      const run = async () => {
        try {
          for await (const step of steps) tell('found', step)
          tell('end', {})
        } catch (error) {
          tell('failed', failureOf(error))
        }
        end()
        if (!isGone) controller.close()
      }
      void run()
    },
    cancel() {
      isGone = true
      stop()
    },
  })
}

function failureOf(error: unknown): { code: string; message: string; hint?: string } {
  if (LarkError.is(error))
    return { code: error.code, message: error.message, ...defined({ hint: error.hint }) }
  console.error('@s18i/lark-dashboard:', error)
  return {
    code: 'DASHBOARD_FAULT',
    message: 'The dashboard has a fault; the log of its server says which',
  }
}

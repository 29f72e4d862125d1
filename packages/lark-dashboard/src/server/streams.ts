/**
 * The streams of server-sent events that bring open dashboards up to date. Each stream sends a snapshot of
 * the store every second, and everything that the job on the page writes.
 */
import { LarkError } from '@s18i/lark/config'
import { objectOf, optional, type Shape, text } from './guard/input.ts'
import { secured } from './guard/security-headers.ts'
import type { KnownViewer } from './guard/viewer.ts'
import type { FollowedJobs, JobReport } from './look/followed-jobs.ts'
import type { Live, Pulse } from './look/live.ts'
import { type ShownValue, shownValue } from './look/shown-to-viewer.ts'

/**
 * The maximum number of streams of one process, and of one user, so that a person who opens many tabs leaves
 * room for other people.
 */
const MOST = 200
const MOST_OF_A_USER = 40
/** Milliseconds after which `authorize` is called again, because a session may have ended. */
const AGAIN = 30_000
/** The maximum number of bytes that wait for a slow browser. Data beyond this limit are not sent. */
const MOST_WAITING = 4 * 1024 * 1024

/** The parameters of a stream. */
export interface StreamInput {
  /** The job whose log and progress the browser shows. */
  job?: { id: string; queue: string }
}

export const streamed: Shape<StreamInput> = { job: optional(objectOf({ id: text, queue: text })) }

export const streamHeaders = {
  ...secured,
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
}

export function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}

/** A report about a job as a viewer gets it: a long progress is cut, and a hidden progress is left out. */
export interface ShownReport extends Omit<JobReport, 'progress'> {
  progress?: ShownValue
}

export class Streams {
  readonly #live: Live
  readonly #followed: FollowedJobs
  readonly #open = new Set<OpenStream>()

  constructor(live: Live, followed: FollowedJobs) {
    this.#live = live
    this.#followed = followed
  }

  /**
   * @param isStill returns whether the viewer may still see the dashboard. If not, or if `isStill` does not
   *   answer in time, the stream ends
   * @throws TOO_MANY_STREAMS
   */
  open(
    request: Request,
    { user, payloads }: KnownViewer,
    { job }: StreamInput,
    isStill: () => Promise<boolean>,
  ): Response {
    this.#checkRoom(user)
    const { signal } = request
    const encoder = new TextEncoder()
    let end = () => {}
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const tell = (event: string, data: unknown) => {
            if ((controller.desiredSize ?? 0) <= 0) return
            controller.enqueue(encoder.encode(eventText(event, data)))
          }
          const leaves: (() => void)[] = []
          end = () => {
            for (const leave of leaves.splice(0)) leave()
            this.#open.delete(stream)
            try {
              controller.close()
            } catch {
              // The browser has disconnected.
            }
          }
          const stream = { user, end }
          try {
            this.#open.add(stream)
            signal.addEventListener('abort', end, { once: true })
            leaves.push(() => signal.removeEventListener('abort', end))
            leaves.push(askAgain(isStill, end))
            leaves.push(
              this.#live.listen((pulse: Pulse) =>
                tell(pulse.kind, pulse.kind === 'snapshot' ? pulse.snapshot : pulse.away),
              ),
            )
            if (job !== undefined)
              leaves.push(this.#followed.follow(job, (report) => tell('job', shownReport(report, payloads))))
            controller.enqueue(encoder.encode('retry: 1000\n\n'))
            if (signal.aborted) end()
          } catch (error) {
            end()
            throw error
          }
        },
        cancel: () => end(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MOST_WAITING }),
    )
    return new Response(body, { headers: streamHeaders })
  }

  close(): void {
    for (const { end } of [...this.#open]) end()
  }

  /** @throws TOO_MANY_STREAMS */
  #checkRoom(user: string): void {
    const own = [...this.#open].filter((stream) => stream.user === user).length
    if (own < MOST_OF_A_USER && this.#open.size < MOST) return
    const text =
      own < MOST_OF_A_USER
        ? `${MOST} dashboards are open on this server`
        : `${user} has ${own} dashboards open`
    throw new LarkError('TOO_MANY_STREAMS', `${text}: close one, or wait until one is closed`)
  }
}

interface OpenStream {
  user: string
  end(): void
}

/** @returns a function that stops asking */
export function askAgain(isStill: () => Promise<boolean>, end: () => void): () => void {
  let isAsking = false
  const timer = setInterval(() => {
    // If the last call has had no answer until now, the stream ends.
    if (isAsking) return end()
    isAsking = true
    isStill().then((still) => {
      isAsking = false
      if (!still) end()
    }, end)
  }, AGAIN)
  timer.unref()
  return () => clearInterval(timer)
}

function shownReport({ progress, ...report }: JobReport, payloads: boolean): ShownReport {
  return payloads && progress !== undefined ? { ...report, progress: shownValue(progress) } : report
}

/**
 * The streams by which open dashboards hear what changes: server-sent events. Each sends the snapshot of each second and
 * what the job on the page writes.
 */
import { textOf } from './act.ts'
import type { FollowedJobs, JobReport } from './followed-jobs.ts'
import type { Live, Pulse } from './live.ts'
import { secured } from './secured.ts'
import { type ShownValue, shownValue } from './shown-value.ts'
import type { KnownViewer } from './viewer.ts'

/** The most browsers that listen to one process. */
const MOST = 200
/** The most bytes that wait for a slow browser; what is newer is left out. */
const MOST_WAITING = 4 * 1024 * 1024

/** What a browser asks a stream for. */
export interface StreamInput {
  /** The job whose log and progress it shows. */
  job?: { id: string; queue: string }
}

/** A report of a job as a viewer sees it. */
export interface ShownReport extends Omit<JobReport, 'progress'> {
  progress?: ShownValue
}

export class Streams {
  readonly #live: Live
  readonly #followed: FollowedJobs
  readonly #open = new Set<() => void>()

  constructor(live: Live, followed: FollowedJobs) {
    this.#live = live
    this.#followed = followed
  }

  /** @throws INPUT_INVALID */
  open(request: Request, { payloads }: KnownViewer, { job }: StreamInput): Response {
    const named = job && { id: textOf(job, 'id'), queue: textOf(job, 'queue') }
    if (this.#open.size >= MOST)
      return new Response('Too many dashboards are open\n', { status: 503, headers: { 'retry-after': '10' } })
    const encoder = new TextEncoder()
    let end = () => {}
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const tell = (event: string, data: unknown) => {
            if ((controller.desiredSize ?? 0) <= 0) return
            controller.enqueue(encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`))
          }
          const leaves = [
            this.#live.listen((pulse: Pulse) =>
              tell(pulse.kind, pulse.kind === 'snapshot' ? pulse.snapshot : pulse.away),
            ),
          ]
          if (named !== undefined)
            leaves.push(this.#followed.follow(named, (report) => tell('job', shownReport(report, payloads))))
          end = () => {
            for (const leave of leaves) leave()
            this.#open.delete(end)
            try {
              controller.close()
            } catch {
              // The browser has gone.
            }
          }
          this.#open.add(end)
          request.signal.addEventListener('abort', end, { once: true })
          controller.enqueue(encoder.encode('retry: 1000\n\n'))
          if (request.signal.aborted) end()
        },
        cancel: () => end(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MOST_WAITING }),
    )
    return new Response(body, {
      headers: {
        ...secured,
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      },
    })
  }

  close(): void {
    for (const end of [...this.#open]) end()
  }
}

function shownReport({ progress, ...report }: JobReport, payloads: boolean): ShownReport {
  return payloads && progress !== undefined ? { ...report, progress: shownValue(progress) } : report
}

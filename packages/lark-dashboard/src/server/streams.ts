/**
 * The streams by which open dashboards hear what changes: server-sent events, one a second.
 */
import type { Live, Pulse } from './live.ts'
import { secured } from './secured.ts'

/** The most browsers that listen to one process. */
const MOST = 200
/** The most bytes that wait for a slow browser; what is newer is left out. */
const MOST_WAITING = 4 * 1024 * 1024

export class Streams {
  readonly #live: Live
  readonly #open = new Set<() => void>()

  constructor(live: Live) {
    this.#live = live
  }

  open(request: Request): Response {
    if (this.#open.size >= MOST)
      return new Response('Too many dashboards are open\n', { status: 503, headers: { 'retry-after': '10' } })
    const encoder = new TextEncoder()
    let end = () => {}
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const tell = ({ kind, ...rest }: Pulse) => {
            if ((controller.desiredSize ?? 0) <= 0) return
            const data = JSON.stringify('snapshot' in rest ? rest.snapshot : rest.away)
            controller.enqueue(encoder.encode(`event: ${kind}\ndata: ${data}\n\n`))
          }
          const leave = this.#live.listen(tell)
          end = () => {
            leave()
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

/**
 * Reads a stream of server-sent events. (`EventSource` cannot be used, because it cannot send the header with
 * the key, see `key.ts`.)
 */
import { errorOf } from './call.ts'
import { keyHeader } from './key.ts'

/**
 * Resolves when the stream ends.
 *
 * @throws CallError if the server refuses the stream; another error if the stream breaks off
 */
export async function readEvents(
  path: string,
  signal: AbortSignal,
  heard: (event: string, data: string) => void,
): Promise<void> {
  const headers = { accept: 'text/event-stream', ...keyHeader() }
  const answer = await fetch(path, { credentials: 'same-origin', cache: 'no-store', headers, signal })
  const { ok, body } = answer
  if (!ok || body === null) throw await errorOf(answer)
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const parts = (text + value).split('\n\n')
    text = parts.pop()!
    for (const part of parts) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/s.exec(part) ?? []
      if (event !== undefined) heard(event, data!)
    }
  }
}

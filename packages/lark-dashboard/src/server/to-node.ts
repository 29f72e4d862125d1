/**
 * A handler of Node's own HTTP server of the dashboard, as Express, Fastify, Koa and Nest take it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { LarkError } from '@s18i/lark/config'
import { type Dashboard, mountedAt } from './dashboard.ts'

/** A request as Express passes it: without the path below which the handler is, and perhaps with a body that was read. */
export interface NodeRequest extends IncomingMessage {
  originalUrl?: string
  baseUrl?: string
  body?: unknown
}

export type NodeHandler = (request: NodeRequest, response: ServerResponse) => Promise<void>

/**
 * Makes a handler of a dashboard for servers that do not speak `fetch`.
 *
 * @example app.use('/admin/jobs', toNode(dashboard({ authorize })))
 */
export function toNode(dashboard: Dashboard): NodeHandler {
  return async (incoming, response) => {
    const ended = new AbortController()
    response.once('close', () => ended.abort())
    const request = requestOf(incoming, ended.signal)
    const answer = await dashboard[mountedAt](request, incoming.baseUrl ?? '')
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    if (answer.body === null) {
      response.end()
      return
    }
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      if (response.destroyed) break
      if (!response.write(chunk)) await drained(response)
    }
    response.end()
  }
}

function requestOf(incoming: NodeRequest, signal: AbortSignal): Request {
  const { method = 'GET', headers, socket, originalUrl, url = '/', body } = incoming
  const scheme = (socket as TLSSocket).encrypted ? 'https' : 'http'
  const all = new Headers()
  for (const [name, value] of Object.entries(headers))
    for (const each of [value ?? []].flat()) if (!name.startsWith(':')) all.append(name, each)
  const host = headers.host ?? headers[':authority'] ?? 'localhost'
  const hasBody = method !== 'GET' && method !== 'HEAD'
  // A parser of the server may have read the body already.
  const read =
    hasBody && body !== undefined ? (typeof body === 'string' ? body : JSON.stringify(body)) : undefined
  const options: RequestInit & { duplex?: 'half' } = { method, headers: all, signal }
  if (read !== undefined) options.body = read
  else if (hasBody) {
    options.body = (incoming.readableEnded ? wasRead() : incoming) as unknown as NonNullable<
      RequestInit['body']
    >
    options.duplex = 'half'
  }
  const path = originalUrl ?? url
  return new Request(path.startsWith('/') ? `${scheme}://${host}${path}` : path, options)
}

/** Whoever reads it is told, rather than to wait for ever. */
function wasRead(): ReadableStream {
  const error = new LarkError('INPUT_INVALID', 'The body was read before the dashboard got the request', {
    hint: 'Pass what a parser has read as `body` of the request.',
  })
  return new ReadableStream({ start: (controller) => controller.error(error) })
}

async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.once('drain', done)
    response.once('close', done)
  })
}

/**
 * Turns the dashboard into a handler for Node's HTTP server. Express, Fastify, Koa and Nest take such a
 * handler, too.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { LarkError } from '@s18i/lark/config'
import { type Dashboard, mountedAt } from '../dashboard.ts'
import { methods } from '../guard/cross-site.ts'

/**
 * A request from Express: its address lacks the path at which the handler is mounted, and a parser may
 * already have read its body.
 */
export interface NodeRequest extends IncomingMessage {
  originalUrl?: string
  baseUrl?: string
  body?: unknown
}

export type NodeHandler = (request: NodeRequest, response: ServerResponse) => Promise<void>

/**
 * Makes a handler from a dashboard, for servers that do not speak `fetch`. The promise of the handler never
 * rejects, because many servers ignore this promise, and an unhandled rejection would end the process.
 *
 * @example app.use('/admin/jobs', toNode(dashboard({ authorize })))
 */
export function toNode(dashboard: Dashboard): NodeHandler {
  return async (incoming, response) => {
    const ended = new AbortController()
    response.once('close', () => ended.abort())
    try {
      const request = () => requestOf(incoming, ended.signal)
      await send(await dashboard[mountedAt](request, incoming.baseUrl ?? ''), response)
    } catch (error) {
      // The error may mean that other code has already answered the request.
      console.error('@s18i/lark-dashboard:', error)
      response.destroy()
    }
  }
}

async function send(answer: Response, response: ServerResponse): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    if (response.destroyed) break
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

/**
 * Matches a host name or an IP address, with or without a port. Characters that would change the meaning of
 * an address that contains the name are not allowed.
 */
const hostLike = /^(\[[\da-f:.]+\]|[^\s/?#@\\:[\]]+)(:\d+)?$/i

/**
 * @throws METHOD_REFUSED; REQUEST_INVALID for a request that Node's server accepts and that `Request` refuses
 */
function requestOf(incoming: NodeRequest, signal: AbortSignal): Request {
  const { method = 'GET', headers, socket, originalUrl, url = '/', body } = incoming
  const scheme = (socket as TLSSocket).encrypted ? 'https' : 'http'
  if (!methods.includes(method))
    throw new LarkError('METHOD_REFUSED', `${method} is refused: there are GET and POST`)
  const all = new Headers()
  for (const [name, value] of Object.entries(headers))
    for (const each of [value ?? []].flat()) if (!name.startsWith(':')) all.append(name, each)
  const host = headers.host ?? `${headers[':authority'] ?? 'localhost'}`
  const hasBody = method !== 'GET' && method !== 'HEAD'
  // A body parser of the server may already have read the body.
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
  try {
    if (!hostLike.test(host)) throw new TypeError('The host is not the name or the address of a host')
    // The path may be a whole address, because a request to a proxy contains the whole address.
    if (!/^(\/|https?:)/.test(path)) throw new TypeError('The address is not an HTTP address')
    return new Request(path.startsWith('/') ? `${scheme}://${host}${path}` : path, options)
  } catch (error) {
    throw new LarkError('REQUEST_INVALID', 'The address or the host of the request is not valid', {
      cause: error,
    })
  }
}

/** A stream that fails when it is read. Without this stream, code that reads the body would wait for ever. */
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

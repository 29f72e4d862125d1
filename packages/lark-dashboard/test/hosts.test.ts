/**
 * Runs the dashboard in each server of the manual as the manual says, in one process. The tests check the
 * page, the rights of viewers, changes with a parsed body, the stream, and requests that no browser sends.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { serve } from '@hono/node-server'
import { createJobs, type Jobs } from '@s18i/lark-jobs'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Dashboard, dashboard, toNode } from '../src/index.ts'
import { hostileTo, oddPaths, sendRaw } from './raw-request.ts'

const BASE = '/admin/jobs'

let jobs: Jobs
let board: Dashboard
/** Ends the server of the test. */
let close: () => unknown

beforeEach(() => {
  jobs = createJobs({ connection: 'sqlite::memory:', queues: ['emails'] })
  board = dashboard({
    jobs,
    base: BASE,
    authorize: ({ headers }) => {
      const user = headers.get('x-user')
      return user === null ? undefined : { role: 'operate', user }
    },
  })
})

afterEach(async () => {
  await board.close()
  await close()
  await jobs.close()
})

async function listening(server: Server): Promise<string> {
  if (!server.listening) await once(server, 'listening')
  close = async () => {
    server.closeAllConnections()
    server.close()
  }
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Starts each server, and returns its address. */
const hosts: Record<string, () => Promise<string>> = {
  node: () => listening(createServer(toNode(board)).listen(0)),
  'Express, with a parser of bodies': () => {
    const app = express()
    app.use(express.json())
    app.use(BASE, toNode(board))
    return listening(app.listen(0))
  },
  'Express, which does not look at promises before version 5': () => {
    const app = express()
    const answer = toNode(board)
    app.use(BASE, (request, response) => void answer(request, response))
    return listening(app.listen(0))
  },
  Fastify: async () => {
    const app = Fastify()
    const answer = toNode(board)
    for (const path of [BASE, `${BASE}/*`])
      app.all(path, (request, reply) => {
        reply.hijack()
        void answer(Object.assign(request.raw, { body: request.body }), reply.raw)
      })
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    close = () => {
      app.server.closeAllConnections()
      return app.close()
    }
    return address
  },
  Koa: () => {
    const app = new Koa()
    const answer = toNode(board)
    app.use(async (context, next) => {
      if (!context.originalUrl.startsWith(BASE)) return await next()
      context.respond = false
      await answer(context.req, context.res)
    })
    return listening(app.listen(0))
  },
  Hono: () => {
    const app = new Hono()
    app.all(`${BASE}/*`, (context) => board(context.req.raw))
    return listening(serve({ fetch: app.fetch, port: 0 }) as Server)
  },
  'Hono, mounted': () => {
    const app = new Hono()
    // The default handler of Hono would print each error.
    app.onError((_, context) => context.text('failed', 500))
    app.mount(BASE, board)
    return listening(serve({ fetch: app.fetch, port: 0 }) as Server)
  },
}

describe.each(Object.entries(hosts))('%s', (name, start) => {
  test('the server answers every request of a stranger and survives it', async () => {
    const origin = await start()
    for (const head of hostileTo(BASE)) {
      // The server of Node closes a connection that asks for a tunnel. Hono makes a new request object for a
      // mounted handler. If this fails, the dashboard gets no request.
      const isTunnel = head.startsWith('CONNECT')
      const isHonos = name === 'Hono, mounted' && /^TRACE|u:p@h\/admin/.test(head)
      expect(await sendRaw(origin, head), head).toBeOneOf(isTunnel ? [0] : isHonos ? [500] : [400, 404, 405])
    }
    for (const path of oddPaths(BASE))
      expect(await sendRaw(origin, `GET ${path} HTTP/1.1\r\nHost: h`), path).toBeOneOf([200, 400, 401, 404])
    const me = await fetch(`${origin}${BASE}/api/me`, { headers: { 'x-user': 'ada' } })
    expect(await me.json()).toMatchObject({ user: 'ada' })
  })

  test('viewers accepted by authorize() get the page, changes and the stream', async () => {
    const origin = await start()
    const user = { 'x-user': 'ada@example.com' }
    const ask = (path: string, options: RequestInit = {}) => fetch(`${origin}${BASE}${path}`, options)
    expect((await ask('/')).status).toBe(401)
    for (const path of ['', '/', '/jobs/x?queue=emails']) {
      const html = await (await ask(path, { headers: user })).text()
      expect(html, path).toContain(`<base href="${BASE}/">`)
      const [script] = /(?<=src=")[^"]+\.js/.exec(html)!
      expect((await ask(`/${script}`, { headers: user })).headers.get('content-type')).toMatch('javascript')
    }
    const change = (headers: Record<string, string>) =>
      ask('/api/queues.pause', { method: 'POST', headers, body: '{"queue":"emails"}' })
    const json = { ...user, 'content-type': 'application/json' }
    expect((await change({ ...json, origin: 'https://evil.example' })).status).toBe(403)
    expect((await jobs.status()).queues[0]).toMatchObject({ paused: false })
    expect((await change({ ...json, origin })).status).toBe(200)
    expect((await jobs.status()).queues[0]).toMatchObject({ paused: true })
    const abort = new AbortController()
    const stream = await ask('/api/live', { headers: user, signal: abort.signal })
    expect(stream.headers.get('content-type')).toBe('text/event-stream')
    const reader = stream.body!.getReader()
    let text = ''
    while (!text.includes('event: snapshot')) text += new TextDecoder().decode((await reader.read()).value)
    abort.abort()
    await expect(reader.read()).rejects.toThrow()
  })
})

test('a body that was read but not passed on is refused, and no code waits for it', async () => {
  const answer = toNode(board)
  const origin = await listening(
    createServer((request, response) => {
      request.resume().once('end', () => void answer(request, response))
    }).listen(0),
  )
  const headers = { 'x-user': 'ada', 'content-type': 'application/json', origin }
  const told = await fetch(`${origin}${BASE}/api/queues.pause`, { method: 'POST', headers, body: '{}' })
  expect([told.status, await told.json()]).toMatchObject([400, { code: 'INPUT_INVALID' }])
})

test('a browser that leaves while it sends a body does not count as a fault of the server', async () => {
  const faults = vi.spyOn(console, 'error').mockImplementation(() => {})
  const answer = toNode(board)
  let answered: Promise<void> | undefined
  const server = createServer((request, response) => {
    answered = answer(request, response)
  }).listen(0)
  const origin = await listening(server)
  const head = `POST ${BASE}/api/undo HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\nX-User: ada\r\nContent-Type: application/json`
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  const begun = once(server, 'request')
  socket.write(`${head}\r\nContent-Length: 10\r\n\r\n{`)
  await begun
  socket.destroy()
  await answered
  expect(faults).not.toHaveBeenCalled()
  faults.mockRestore()
})

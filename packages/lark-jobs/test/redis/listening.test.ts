/** `Jobs.events()` with a server that restarts and has lost its last changes. */
import { expect, test } from 'vitest'
import { createJobs, Job, type QueueEvents } from '../../src/index.ts'
import { Server } from './server.ts'

class SendJob extends Job {
  override key = 'send'
  override queueName = 'emails'
  handle() {}
}

const connect = (server: Server, queues?: string[]) =>
  createJobs({ connection: server.url, ...(queues && { queues }) })

async function next(events: QueueEvents) {
  return (await events.next()).value
}

test('a cursor whose events the server has lost causes a gap, and later events are delivered', async () => {
  await using server = await Server.start()
  await using app = connect(server, ['emails'])
  await using first = await app.events().ready()
  await app.dispatch(SendJob.with())
  await next(first)
  await server.send('SAVE')
  await app.dispatch([SendJob.with(), SendJob.with(), SendJob.with()])
  await next(first)
  const { cursor: since } = (await next(first))!
  await first.return()
  await server.restart()
  const made = [await app.dispatch(SendJob.with()), await app.dispatch(SendJob.with())]
  await using again = await connect(server, ['emails']).events({ since }).ready()
  expect(await next(again)).toMatchObject({ kind: 'gap', queue: 'emails' })
  made.push(await app.dispatch(SendJob.with()))
  expect(await next(again)).toMatchObject({ kind: 'queued', id: made.at(-1)!.id })
})

test('a cursor whose events the server has lost also causes a gap if there are no later events', async () => {
  await using server = await Server.start()
  await using app = connect(server, ['emails'])
  await using first = await app.events().ready()
  await server.send('SAVE')
  await app.dispatch([SendJob.with(), SendJob.with()])
  const { cursor: since } = (await next(first))!
  await first.return()
  await server.restart()
  await using again = await app.events({ since }).ready()
  expect(await next(again)).toMatchObject({ kind: 'gap', queue: 'emails' })
})

test('after the store has lost all data, a listener still gets events of a queue that is not in the configuration', async () => {
  await using server = await Server.start()
  await using app = connect(server, ['emails'])
  await app.dispatch(SendJob.with())
  await using web = connect(server)
  await using events = await web.events({ queues: ['emails'] }).ready()
  const gap = next(events)
  await server.restart()
  expect(await gap).toMatchObject({ kind: 'gap', queue: 'emails' })
  // Wait for longer than the time between two searches for queues.
  const told = next(events)
  const early = new Promise((resolve) => setTimeout(resolve, 2_500, 'nothing'))
  expect(await Promise.race([told, early])).toBe('nothing')
  const handle = await app.dispatch(SendJob.with())
  expect(await told).toMatchObject({ kind: 'queued', id: handle.id })
})

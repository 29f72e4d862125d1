import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'vitest'
import { Server } from '../redis/server.ts'
import { listenUnderAbuse } from './listening.ts'

/** Milliseconds of work before something happens to the server, and between two such events. */
const PAUSE = 1_000
/** Milliseconds for which the server is down. */
const DOWN = 700

test('events while workers are killed, and the server too, which comes back with its data', {
  timeout: 300_000,
}, async () => {
  await using server = await Server.start('redis-server', ['--appendonly', 'yes', '--appendfsync', 'always'])
  await listenUnderAbuse({ connection: server.url }, async () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await sleep(PAUSE)
      await server.kill(signal)
      await sleep(DOWN)
      await server.start()
    }
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'vitest'
import { Server } from '../redis/server.ts'
import { listenUnderAbuse } from './listening.ts'

/** Milliseconds of work before the server is killed the first time, and between two kills. */
const PAUSE = 1_000
/** Milliseconds for which the server is down. */
const DOWN = 700

test('no event is lost or repeated while workers are killed, and while the server is killed and restarted with its data', {
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

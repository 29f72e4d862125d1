import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'vitest'
import { startSentinel } from '../redis/sentinel.ts'
import { Server } from '../redis/server.ts'
import { awaitUnderAbuse, PATIENCE } from './awaiting.ts'

/** Milliseconds of work before the first failure of the store, and between two failures. */
const PAUSE = 1_000
/** Milliseconds for which a server is down. */
const DOWN = 700

test('results on Valkey are right while workers are killed, and while the server is killed and restarted with its data', {
  timeout: PATIENCE,
}, async () => {
  await using server = await Server.start('valkey-server', ['--appendonly', 'yes'])
  await awaitUnderAbuse({ connection: server.url }, async (outages, ping) => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await sleep(PAUSE)
      await outages.during(async () => {
        await server.kill(signal)
        await sleep(DOWN)
        await server.start()
      }, ping)
    }
  })
})

test('results on Redis are right while workers are killed and the server fails over', {
  timeout: PATIENCE,
}, async () => {
  await using fleet = await startSentinel({ binary: 'redis-server' })
  await awaitUnderAbuse({ connection: fleet.url }, async (outages, ping) => {
    await sleep(PAUSE)
    const dead = await fleet.primary()
    await outages.during(async () => {
      await dead.kill()
      await fleet.left(dead)
      await dead.start()
    }, ping)
  })
})

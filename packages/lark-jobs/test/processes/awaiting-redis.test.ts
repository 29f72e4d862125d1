import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { startSentinel } from '../redis/sentinel.ts'
import { Server } from '../redis/server.ts'
import { awaitUnderAbuse, PATIENCE } from './awaiting.ts'

/** Milliseconds of work before something happens to the store, and between two such events. */
const PAUSE = 1_000
/** Milliseconds for which a server is down. */
const DOWN = 700

describe.each(['redis-server', 'valkey-server'])('%s', { timeout: PATIENCE }, (binary) => {
  test('results while workers are killed, and the server too, which comes back with its data', async () => {
    await using server = await Server.start(binary, ['--appendonly', 'yes'])
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

  test('results while workers are killed, and the server fails over', async () => {
    await using fleet = await startSentinel({ binary })
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
})

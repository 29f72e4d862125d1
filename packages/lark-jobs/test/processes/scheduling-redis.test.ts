import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { Server } from '../redis/server.ts'
import { deployInTurns, missTicks, tickUnderAbuse } from './scheduling.ts'

/** Milliseconds of work before the server is stopped. */
const PAUSE = 1_500
/** Milliseconds for which the server is down. */
const DOWN = 1_200
const HOUR = 3_600_000
/** Milliseconds for which the server is down, which is longer than some ticks. */
const MISSED = 4_500

const durable = ['--appendonly', 'yes', '--appendfsync', 'always']

describe('schedules', { timeout: 300_000, concurrent: true }, () => {
  test('schedules tick on Redis while workers are killed, and while the server is killed and restarted with its data', async () => {
    await using server = await Server.start('redis-server', durable)
    await tickUnderAbuse({ connection: server.url }, [0, HOUR, -HOUR], async () => {
      for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
        await sleep(PAUSE)
        await server.kill(signal)
        await sleep(DOWN)
        await server.start()
      }
    })
  })

  test('schedules tick on Valkey after the server was down during some ticks', async () => {
    await using server = await Server.start('valkey-server', durable)
    await missTicks({ connection: server.url }, async () => {
      await server.kill('SIGKILL')
      await sleep(MISSED)
      await server.start()
    })
  })

  test('schedules tick on Redis while two deploys take turns', async () => {
    await using server = await Server.start('redis-server', [])
    await deployInTurns({ connection: server.url })
  })
})

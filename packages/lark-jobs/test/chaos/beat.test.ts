import { expect, test } from 'vitest'
import { startRedis, until } from '../redis/server.ts'
import { Beat } from './beat.ts'
import { serverArgs } from './faults/server.ts'

async function killed(args: readonly string[]): Promise<{ since: number | undefined; began: number }> {
  await using server = await startRedis({ args })
  await using beat = new Beat(server.url)
  const began = Date.now()
  await until(async () => Number(await server.send('GET', 'beat')) > 20)
  await server.restart()
  return { since: await beat.lostSince(), began }
}

test('a server that syncs each write has lost nothing when it is killed', async () => {
  expect(await killed(serverArgs())).toMatchObject({ since: undefined })
})

test('after a kill, the beat returns the time since which the server had not written its data to the disk', async () => {
  // With an empty list, no write reaches the disk of the killed server.
  const { since, began } = await killed([])
  expect(since).toBeLessThan(began)
})

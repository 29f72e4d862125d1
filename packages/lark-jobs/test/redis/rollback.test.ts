/** Servers that lose acknowledged writes: each server is killed, and starts again with an older snapshot. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe } from 'vitest'
import { RedisStore } from '../../src/store/redis/store.ts'
import { Harness, type MakePlace } from '../conformance/harness.ts'
import { rollbacks } from '../conformance/rollbacks.ts'
import { Server } from './server.ts'

describe.each(['redis-server', 'valkey-server'])('%s', (binary) => {
  const place: MakePlace = async () => {
    const server = await Server.start(binary)
    const snapshot = join(server.folder, 'dump.rdb')
    let saved = 0
    return {
      handle: (options) => new RedisStore(server.url, options),
      save: async () => {
        saved += 1
        const copy = `${snapshot}.${saved}`
        await server.send('SAVE')
        await copyFile(snapshot, copy)
        return async () => {
          await server.kill()
          await copyFile(copy, snapshot)
          await server.start()
        }
      },
      remove: () => server[Symbol.asyncDispose](),
    }
  }
  rollbacks((options) => Harness.make(place, options))
})

import { afterAll, beforeAll } from 'vitest'
import { Server } from '../redis/server.ts'
import { redisPrefix } from '../working/bench.ts'
import { isolating } from './isolating.ts'

let server: Server
beforeAll(async () => {
  server = await Server.start()
})
afterAll(() => server[Symbol.asyncDispose]())

isolating(() => redisPrefix(server.url)(), {
  begins: () => server.signal('SIGSTOP'),
  ends: () => server.signal('SIGCONT'),
})

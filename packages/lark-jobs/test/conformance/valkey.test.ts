import { afterAll, beforeAll, inject } from 'vitest'
import { PREFIX, redisPlace } from '../redis/place.ts'
import { asLark, expectNoRefusals, rights } from '../redis/rights.ts'
import { command } from '../redis/server.ts'
import { describeStore } from './suite.ts'

const url = inject('valkeyUrl')
const server = { send: (...words: string[]) => command(url, ...words) }

// All of it as the user of the manual, who needs nothing beyond.
beforeAll(async () => {
  await server.send(...rights('one server', [], `${PREFIX}*`))
})
afterAll(() => expectNoRefusals([server]))

describeStore('valkey', redisPlace(asLark(url), url), { shared: true })

import { afterAll, beforeAll, inject } from 'vitest'
import { PREFIX, redisPlace } from '../redis/place.ts'
import { asLark, expectNoRefusals, rights } from '../redis/rights.ts'
import { command } from '../redis/server.ts'
import { describeStore } from './suite.ts'

const url = inject('valkeyUrl')
const server = { send: (...words: string[]) => command(url, ...words) }

// All tests run as the user that the manual describes, to show that its permissions are sufficient.
beforeAll(async () => {
  await server.send(...rights('one server', [], `${PREFIX}*`))
})
afterAll(() => expectNoRefusals([server]))

describeStore('valkey', redisPlace(asLark(url), url), {
  shared: true,
  rollsBack: true,
  isVariant: true,
  seeds: [121, 240],
})

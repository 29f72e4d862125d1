/**
 * An invented layout of a later version, two releases from now. Its steps depend on the present form of the
 * key `settings`.
 */
import { LAYOUT } from '../../src/store/redis/client/keys.ts'
import type { RedisLayout } from '../../src/store/redis/verbs/layout.ts'

export const NEXT = '2.0c0de'

export const later: RedisLayout = {
  name: '3.0c0de',
  steps: [
    [
      LAYOUT,
      async (scripts, partition) => {
        await scripts.send(['HINCRBY', scripts.keys.of(partition, 'settings'), 'colours', '1'])
      },
    ],
    [
      NEXT,
      async (scripts, partition) => {
        const key = scripts.keys.of(partition, 'settings')
        const colours = await scripts.send(['HGET', key, 'colours'])
        await scripts.send(['HSET', key, 'colour', `red${colours}`])
      },
    ],
  ],
}

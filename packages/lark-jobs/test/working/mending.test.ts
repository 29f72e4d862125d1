/** Tests mending by hand on each store. */
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { type Cluster, startCluster } from '../redis/cluster.ts'
import { redisPrefix, sqliteFile } from './bench.ts'
import { mending } from './mending.ts'

describe('SQLite', () => mending(sqliteFile))
describe('Redis', () => mending(redisPrefix(inject('redisUrl'))))
describe('Valkey', () => mending(redisPrefix(inject('valkeyUrl'))))

describe('Redis Cluster', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  mending(() => redisPrefix(cluster.url)())
})

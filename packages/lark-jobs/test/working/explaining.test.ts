/** Tests the reasons of waiting jobs on the stores for which the whole suite does not run. */
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { type Cluster, startCluster } from '../redis/cluster.ts'
import { redisPrefix } from './bench.ts'
import { explaining } from './explaining.ts'

describe('valkey', () => explaining(redisPrefix(inject('valkeyUrl'))))

describe('a cluster', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster[Symbol.asyncDispose]())
  explaining(() => redisPrefix(cluster.url)())
})

import { afterAll, beforeAll } from 'vitest'
import { type Cluster, startCluster } from '../redis/cluster.ts'
import { redisPlace } from '../redis/place.ts'
import { describeStore } from './suite.ts'

for (const binary of ['redis-server', 'valkey-server']) {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ binary })
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  describeStore(`a cluster of ${binary}`, () => redisPlace(cluster.url)(), { shared: true })
}

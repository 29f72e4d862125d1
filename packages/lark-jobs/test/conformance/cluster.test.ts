import { afterAll, beforeAll } from 'vitest'
import { type Cluster, startCluster } from '../redis/cluster.ts'
import { PREFIX, redisPlace } from '../redis/place.ts'
import { asLark, expectNoRefusals, rights } from '../redis/rights.ts'
import { describeStore } from './suite.ts'

for (const binary of ['redis-server', 'valkey-server']) {
  let cluster: Cluster
  beforeAll(async () => {
    // The cluster has no replicas, because each replica would repeat each write. ../redis/ tests replicas.
    // The node timeout is long, because on a busy machine a slow node must not count as failed: no replica
    // could replace it.
    cluster = await startCluster({ binary, replicas: 0, nodeTimeout: 15_000 })
    // All tests run as the Redis user that the manual describes, to show that its permissions are sufficient.
    for (const node of cluster.nodes) await node.send(...rights('a cluster', [], `${PREFIX}*`))
  })
  afterAll(async () => {
    await expectNoRefusals(cluster.nodes)
    await cluster[Symbol.asyncDispose]()
  })

  describeStore(`a cluster of ${binary}`, () => redisPlace(asLark(cluster.url), cluster.url)(), {
    shared: true,
    rollsBack: true,
    seeds: binary === 'redis-server' ? [241, 300] : [301, 360],
    isVariant: binary === 'redis-server',
  })
}

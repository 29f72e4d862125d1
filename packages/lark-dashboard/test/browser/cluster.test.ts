import { startCluster } from '../../../lark-jobs/test/redis/cluster.ts'
import { describeDashboard } from './suite.ts'

// A single Redis server is not tested, because it runs the same scripts and is simpler to reach.
describeDashboard(async () => {
  const cluster = await startCluster({ replicas: 0 })
  const connection = cluster.url
  return { config: { connection }, remove: () => cluster[Symbol.asyncDispose]() }
})

import { startCluster } from '../../../lark-jobs/test/redis/cluster.ts'
import { describeDashboard } from './suite.ts'

// One Redis has the same scripts, and a simpler way to them: nothing differs there.
describeDashboard(async () => {
  const cluster = await startCluster({ replicas: 0 })
  const connection = cluster.url
  return { config: { connection }, remove: () => cluster[Symbol.asyncDispose]() }
})

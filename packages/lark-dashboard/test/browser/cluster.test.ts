import { startCluster } from '../../../lark-jobs/test/redis/cluster.ts'
import { describeDashboard } from './suite.ts'

describeDashboard(async () => {
  const cluster = await startCluster()
  const connection = cluster.url
  return { config: { connection }, remove: () => cluster[Symbol.asyncDispose]() }
})

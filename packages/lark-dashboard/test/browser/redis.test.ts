import { inject } from 'vitest'
import { newPrefix, removeKeys } from '../../../lark-jobs/test/redis/place.ts'
import { describeDashboard } from './suite.ts'

describeDashboard(async () => {
  const url = inject('redisUrl')
  const prefix = newPrefix()
  return { config: { connection: url, prefix }, remove: () => removeKeys(url, prefix) }
})

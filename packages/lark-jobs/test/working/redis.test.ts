import { inject } from 'vitest'
import { redisPrefix } from './bench.ts'
import { describeWorking } from './suite.ts'

describeWorking(redisPrefix(inject('redisUrl')), true)

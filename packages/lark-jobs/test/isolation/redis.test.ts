import { inject } from 'vitest'
import { redisPrefix } from '../working/bench.ts'
import { isolating } from './isolating.ts'

isolating(redisPrefix(inject('redisUrl')))

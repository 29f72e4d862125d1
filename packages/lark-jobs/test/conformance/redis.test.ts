import { inject } from 'vitest'
import { redisPlace } from '../redis/place.ts'
import { describeStore } from './suite.ts'

describeStore('redis', redisPlace(inject('redisUrl')), { shared: true })

import { inject } from 'vitest'
import { redisPlace } from '../redis/place.ts'
import { describeStore } from './suite.ts'

describeStore('valkey', redisPlace(inject('valkeyUrl')), { shared: true })

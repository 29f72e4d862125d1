import { describe } from 'vitest'
import { sqliteFile } from './bench.ts'
import { blockingUnseen } from './blocking.ts'
import { describeWorking } from './suite.ts'

describeWorking(sqliteFile)
describe('blocking handlers without a lease thread', blockingUnseen)

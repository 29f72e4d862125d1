import { sqliteFile } from './bench.ts'
import { describeWorking } from './suite.ts'

describeWorking(sqliteFile)

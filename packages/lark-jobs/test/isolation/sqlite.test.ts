import { sqliteFile } from '../working/bench.ts'
import { isolating } from './isolating.ts'

isolating(sqliteFile)

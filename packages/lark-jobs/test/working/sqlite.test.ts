import { describe } from 'vitest'
import { sqliteFile } from './bench.ts'
import { dispatching } from './dispatching.ts'
import { order } from './order.ts'
import { running } from './running.ts'
import { stopping } from './stopping.ts'

describe('dispatching', () => dispatching(sqliteFile))
describe('running', () => running(sqliteFile))
describe('order', () => order(sqliteFile))
describe('stopping', () => stopping(sqliteFile))

import { describe, inject } from 'vitest'
import { redisPrefix } from './bench.ts'
import { dispatching } from './dispatching.ts'
import { order } from './order.ts'
import { running } from './running.ts'
import { stopping } from './stopping.ts'

const connect = redisPrefix(inject('redisUrl'))

describe('dispatching', () => dispatching(connect))
describe('running', () => running(connect))
describe('order', () => order(connect))
describe('stopping', () => stopping(connect))

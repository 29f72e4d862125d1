/**
 * What dispatching and working must do on every store, subject by subject.
 */
import { describe } from 'vitest'
import { aborting } from './aborting.ts'
import type { Connect } from './bench.ts'
import { cancelling } from './cancelling.ts'
import { dispatching } from './dispatching.ts'
import { emptiness } from './emptiness.ts'
import { leases } from './leases.ts'
import { order } from './order.ts'
import { partitions } from './partitions.ts'
import { presets } from './presets.ts'
import { retrying } from './retrying.ts'
import { running } from './running.ts'
import { starting } from './starting.ts'
import { stopping } from './stopping.ts'
import { throwing } from './throwing.ts'
import { turns } from './turns.ts'
import { uniqueness } from './uniqueness.ts'

export function describeWorking(connect: Connect): void {
  describe('dispatching', () => dispatching(connect))
  describe('starting', () => starting(connect))
  describe('running', () => running(connect))
  describe('aborting', () => aborting(connect))
  describe('cancelling', () => cancelling(connect))
  describe('throwing', () => throwing(connect))
  describe('order', () => order(connect))
  describe('turns', () => turns(connect))
  describe('partitions', () => partitions(connect))
  describe('leases', () => leases(connect))
  describe('presets', () => presets(connect))
  describe('unique', () => uniqueness(connect))
  describe('retrying', () => retrying(connect))
  describe('emptiness', () => emptiness(connect))
  describe('stopping', () => stopping(connect))
}

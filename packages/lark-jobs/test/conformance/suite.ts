/**
 * What every store must pass, subject by subject. Everything goes through the `Store` interface and moves by a
 * virtual clock; an engine brings only somewhere empty to work in.
 */
import { describe } from 'vitest'
import { alter } from './alter.ts'
import { claimAndSettle } from './claim-and-settle.ts'
import { clear } from './clear.ts'
import { close } from './close.ts'
import { delay } from './delay.ts'
import { enqueue } from './enqueue.ts'
import { handles } from './handles.ts'
import { Harness, type Make, type MakePlace } from './harness.ts'
import { leases } from './leases.ts'
import { limits } from './limits.ts'
import { order } from './order.ts'
import { partitions } from './partitions.ts'
import { pause } from './pause.ts'
import { reading } from './reading.ts'
import { recover } from './recover.ts'
import { resend } from './resend.ts'
import { retention } from './retention.ts'
import { sequences } from './sequences.ts'
import { waitingAndRings } from './waiting-and-rings.ts'
import { workers } from './workers.ts'

export interface Traits {
  /** Whether two handles see the same jobs; not so for memory. */
  shared: boolean
}

/**
 * Registers the whole suite for one engine.
 *
 * @example
 * describeStore('sqlite file', async () => {
 *   const folder = await mkdtemp(join(tmpdir(), 'lark-'))
 *   return {
 *     handle: (options) => new SqliteStore(join(folder, 'jobs.db'), options),
 *     remove: () => rm(folder, { recursive: true }),
 *   }
 * }, { shared: true })
 */
export function describeStore(name: string, makePlace: MakePlace, traits: Traits): void {
  const make: Make = (options) => Harness.make(makePlace, options)
  describe(name, () => {
    describe('enqueue', () => enqueue(make))
    describe('order', () => order(make))
    describe('claim and settle', () => claimAndSettle(make))
    describe('leases', () => leases(make))
    describe('recover', () => recover(make))
    describe('resend', () => resend(make))
    describe('delay', () => delay(make))
    describe('retention', () => retention(make))
    describe('waiting and rings', () => waitingAndRings(make))
    describe('workers', () => workers(make))
    describe('reading', () => reading(make))
    describe('alter', () => alter(make))
    describe('pause', () => pause(make))
    describe('clear', () => clear(make))
    describe('limits', () => limits(make))
    describe('partitions', () => partitions(make))
    describe('close', () => close(make))
    describe('sequences', () => sequences(make))
    if (traits.shared) describe('two handles', () => handles(make))
  })
}

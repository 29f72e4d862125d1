/**
 * How `@s18i/lark-bullmq` refuses what it does not do: at once, with the name, what Lark has instead, and the
 * page.
 */

import { excerpt, nearest } from '@s18i/lark/internal'
import { JobsError } from '@s18i/lark-jobs'
import { isObject, shown } from '@s18i/lark-jobs/internal'
import { BullmqError } from '../errors.ts'
import { type ComparedTopic, compared, comparisonOf, ofNest } from './compared.ts'

/** Where people read the manual: errors have links to its pages. */
const MANUAL = 'https://github.com/s18i/lark/blob/main/docs'

/** @param who `Queue 'emails'` @param what `the option lifo` @param inLark what Lark has instead */
export function unsupported(
  who: string,
  what: string,
  inLark?: string,
  page = 'from-bullmq.md',
): BullmqError {
  const instead = inLark === undefined ? '' : `In Lark: ${inLark.replaceAll('`', '')}. `
  return new BullmqError('BULLMQ_UNSUPPORTED', `${who}: @s18i/lark-bullmq does not have ${what}`, {
    hint: `${instead}See ${MANUAL}/${page}`,
  })
}

/** The error for a method or an event. */
export function unsupportedName(who: string, topic: ComparedTopic, word: string, name: string): BullmqError {
  const [, inLark, page] = comparisonOf(topic, name) ?? []
  return unsupported(who, `${word} ${name}`, inLark, page)
}

/**
 * Refuses options that Lark does not have. One that is `undefined` counts as absent.
 *
 * @param given an object of options; undefined for none
 * @returns the options
 * @throws BULLMQ_UNSUPPORTED naming the option; JOB_INVALID if it is not an object
 */
export function checkOptions<T extends object>(who: string, topic: ComparedTopic, given: T | undefined): T {
  if (given === undefined || given === null) return {} as T
  if (!isObject(given)) {
    const what = topic.replace(/^options of /, 'options of ')
    throw new JobsError('JOB_INVALID', `${who}: the ${what} are ${shown(given)}; they must be an object`)
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || ofNest[topic]?.includes(name)) continue
    const [verdict, inLark, page] = comparisonOf(topic, name) ?? []
    if (verdict === undefined) {
      const near = nearest(name, Object.keys(compared[topic]))
      throw unsupported(who, `the option ${excerpt(name)}`, near && `the nearest name is ${near}`)
    }
    // `false` asks Lark not to do what it never does, so it is accepted.
    if (verdict === 'missing' && value !== false) throw unsupported(who, `the option ${name}`, inLark, page)
  }
  return given
}

/** Refuses a value that BullMQ would refuse too, or that Lark cannot take. */
export function wrongValue(who: string, name: string, value: unknown, right: string): JobsError {
  return new JobsError('JOB_INVALID', `${who}: ${name} is ${shown(value)}; it must be ${right}`)
}

/** Properties that throw BULLMQ_UNSUPPORTED when they are read, for each name of a topic that is missing. */
export function refuseProperties(prototype: object, topic: ComparedTopic): void {
  for (const [name, [verdict]] of Object.entries(compared[topic])) {
    if (verdict !== 'missing') continue
    const get = function (this: { toString(): string }) {
      throw unsupportedName(String(this), topic, 'the property', name)
    }
    Object.defineProperty(prototype, name, { get, configurable: true })
  }
}

/** The methods of BullMQ that return no promise. */
const synchronous: readonly string[] = ['asJSONSandbox', 'discard', 'getBackend', 'toFlowEntry']

/**
 * Methods that reject with BULLMQ_UNSUPPORTED, for each name of a topic that is missing; those that return no
 * promise in BullMQ throw it. They are on the prototype, so that a call of one names it, instead of saying
 * that it is not a function.
 */
export function refuseMethods(prototype: object, topic: ComparedTopic): void {
  for (const [name, [verdict]] of Object.entries(compared[topic])) {
    if (verdict !== 'missing' || name in prototype) continue
    const value = function (this: { toString(): string }) {
      const error = unsupportedName(String(this), topic, 'the method', `${name}()`)
      if (synchronous.includes(name)) throw error
      return Promise.reject(error)
    }
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true })
  }
}

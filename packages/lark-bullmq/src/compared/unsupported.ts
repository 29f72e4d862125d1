/**
 * Refuses features of BullMQ that Lark does not have. The error is thrown when the feature is used. It names
 * the feature, Lark's answer to it, and the page of the manual.
 */

import { excerpt, nearest } from '@s18i/lark/internal'
import { JobsError } from '@s18i/lark-jobs'
import { isObject, shown } from '@s18i/lark-jobs/internal'
import { BullmqError } from '../errors.ts'
import { type ComparedTopic, compared, comparisonOf, ofNest } from './compared.ts'

/** The address of the manual. Errors have links to its pages. */
const MANUAL = 'https://github.com/s18i/lark/blob/main/docs'

/**
 * @param who the object in words, such as `Queue 'emails'`
 * @param what the feature in words, such as `the option lifo`
 * @param inLark what Lark has instead
 */
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
 * Refuses options that Lark does not have. An option that is `undefined` counts as absent.
 *
 * @param given an object of options, or undefined
 * @returns the options
 * @throws BULLMQ_UNSUPPORTED, which names the option; JOB_INVALID if `given` is not an object
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
    // `false` is accepted, because it asks Lark not to do something that Lark never does.
    if (verdict === 'missing' && value !== false) throw unsupported(who, `the option ${name}`, inLark, page)
  }
  return given
}

/** The error for a value that BullMQ would also refuse, or that Lark cannot take. */
export function wrongValue(who: string, name: string, value: unknown, right: string): JobsError {
  return new JobsError('JOB_INVALID', `${who}: ${name} is ${shown(value)}; it must be ${right}`)
}

/**
 * The error for a value that BullMQ refuses. Applications may look for the words of BullMQ in its message.
 *
 * @param said the whole message of BullMQ for this value
 */
export function refusedValue(who: string, name: string, value: unknown, said: string): JobsError {
  return new JobsError('JOB_INVALID', `${who}: ${name} is ${shown(value)}. ${said}`)
}

/**
 * Adds a property for each name of a topic that Lark does not have. Code that reads such a property gets the
 * error BULLMQ_UNSUPPORTED.
 */
export function refuseProperties(prototype: object, topic: ComparedTopic): void {
  for (const [name, [verdict]] of Object.entries(compared[topic])) {
    if (verdict !== 'missing' || Object.hasOwn(prototype, name)) continue
    const get = function (this: { toString(): string }) {
      throw unsupportedName(String(this), topic, 'the property', name)
    }
    Object.defineProperty(prototype, name, { get, configurable: true })
  }
}

/**
 * The error for bull-board, which reads this property of a queue first. The hint has three lines of code that
 * mount the dashboard of Lark in an application of Express or Nest. The page of the manual has the lines for
 * Fastify.
 */
export function boardRefused(who: string): BullmqError {
  const [, , page] = compared['properties of Queue'].metaValues
  const error = unsupportedName(who, 'properties of Queue', 'the property', 'metaValues')
  return new BullmqError('BULLMQ_UNSUPPORTED', error.message, {
    hint: `bull-board shows queues of BullMQ alone. Mount the dashboard of Lark in its place:
  import { dashboard, toNode } from '@s18i/lark-dashboard'
  const board = toNode(dashboard({ base: '/admin/queues', authorize: (request) => yourUser(request) }))
  app.use('/admin/queues', board)
For Fastify, and for what authorize returns, see ${MANUAL}/${page}`,
  })
}

/** The methods of BullMQ that return no promise. */
const synchronous: readonly string[] = ['asJSONSandbox', 'discard', 'getBackend', 'toFlowEntry']

/**
 * Adds a method for each name of a topic that Lark does not have. Such a method rejects with
 * BULLMQ_UNSUPPORTED, or throws this error if the method of BullMQ returns no promise. The methods are on the
 * prototype, so that a call gets this error, which names the method, instead of "is not a function".
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

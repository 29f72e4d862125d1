/**
 * BullMQ's tests import this file as its `src/classes`. The file exports the classes of this package, and
 * notes their refusals. A name that this package does not have throws at its use.
 */
import * as lark from '@s18i/lark-bullmq'
import { noteMethods, noting } from './refusals.ts'
import { suiteRun } from './run.ts'

const { store } = suiteRun()
const isRedis = store.startsWith('redis')

type Constructor = new (...args: never[]) => object

/** @param at the place of the options among the arguments */
function watched<C extends Constructor>(Class: C, at: number): C {
  noteMethods(Class.prototype)
  return new Proxy(Class, {
    construct(target, given, self) {
      const args = [...given]
      // Tests name a connection to Redis, even where the jobs are in a file.
      if (!isRedis) args[at] = { ...args[at], connection: store }
      return noting(() => Reflect.construct(target, args, self))
    },
  })
}

function absent(name: string): Constructor {
  const refuse = () => {
    throw new Error(`@s18i/lark-bullmq does not export ${name}`)
  }
  return new Proxy(class {} as Constructor, {
    construct: refuse,
    apply: refuse,
    get: (target, key) => (key === 'prototype' || typeof key === 'symbol' ? target[key as never] : refuse()),
  })
}

function own(name: string): Constructor {
  return (lark as unknown as Record<string, Constructor>)[name] ?? absent(name)
}

export const Queue = watched(lark.Queue, 1)
export const Worker = watched(lark.Worker, 2)
export const QueueEvents = watched(lark.QueueEvents, 1)
export const FlowProducer = watched(lark.FlowProducer, 0)
noteMethods(lark.Job.prototype)
export const { Job, DelayedError, RateLimitError, UnrecoverableError, WaitingError } = lark
export const WaitingChildrenError = own('WaitingChildrenError')
export const QueueEventsProducer = own('QueueEventsProducer')
export const JobScheduler = own('JobScheduler')
export const QueueBase = own('QueueBase')
export const Child = own('Child')
export const ChildPool = own('ChildPool')
export const LockManager = own('LockManager')
export const RedisConnection = own('RedisConnection')
export const RedisQueueBackend = own('RedisQueueBackend')
export const getNextMillis = own('getNextMillis')
export const UNRECOVERABLE_ERROR = 'bullmq:unrecoverable'

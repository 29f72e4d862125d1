/**
 * The number of commands that an idle worker sends, because some providers charge for each command. An idle
 * worker sends at most 20 commands a minute, whatever features exist and however many queues the worker
 * serves (one call covers up to 1,000 queues).
 */

import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { expect, test, vi } from 'vitest'
import { Job, type JobsConfig } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { lua } from '../../src/store/redis/scripts.generated.ts'
import { Bench } from '../working/bench.ts'
import { Server } from './server.ts'

/** Milliseconds. Three surveys fit into this time. */
const SPAN = 15_500

class IdleJob extends Job {
  handle() {}
}

/** Returns the commands that clients send, without the commands inside of scripts. */
async function commandsOf(url: string, span: number): Promise<string[]> {
  const monitor = createClient({ url })
  await monitor.connect()
  const seen: string[] = []
  await monitor.monitor((text) => {
    const [, by, words] = /\[\d+ (\S+)\] (.*)$/.exec(String(text)) ?? []
    if (by !== undefined && by !== 'lua') seen.push(words!)
  })
  await pause(span)
  monitor.destroy()
  return seen
}

test.concurrent.each([
  ['one queue', { queues: ['emails'] }],
  ['a thousand', { queues: Array.from({ length: 1_000 }, (_, i) => `q${i}`) }],
] satisfies [string, JobsConfig][])(
  'an idle worker of %s sends 20 commands a minute at most',
  async (_, config) => {
    await using server = await Server.start()
    await using bench = await Bench.make(async () => ({ connection: server.url, remove: async () => {} }))
    const client = bench.client(config)
    const { store } = await insideOf(client).open()
    const [survey, exchange] = [vi.spyOn(store, 'survey'), vi.spyOn(store, 'exchange')]
    await bench.work([IdleJob], {}, client)
    await vi.waitFor(() => expect(survey.mock.calls.length).toBeGreaterThan(1), 10_000)
    // Wait until all calls that the worker makes at its start are answered.
    for (let calls = -1; calls < exchange.mock.calls.length; await pause(500))
      calls = exchange.mock.calls.length
    const sent = await commandsOf(server.url, SPAN)
    const isSurvey = (words: string) =>
      words.toLowerCase().startsWith(`"evalsha" "${lua.scripts.survey.sha1}"`)
    const others = sent.filter((words) => !isSurvey(words) && words !== '"PING"')
    // Once a minute, one of all workers stores the sum of all runs. This may happen within the measured time.
    const isOfHistory = (words: string) =>
      words.toLowerCase().startsWith(`"evalsha" "${lua.scripts['worker-runs'].sha1}"`) ||
      /^"(HSET|HKEYS|HDEL)" "lark:\{meta\}:run-history"/i.test(words)
    // Once an hour, the same worker keeps the runs of each class. An hour may begin within this time, too.
    const isOfClasses = (words: string) =>
      /^"(HGET|HSET|HKEYS|HDEL)" "lark:\{meta\}:class-history"/i.test(words)
    const ofClasses = others.filter(isOfClasses)
    expect(others.filter((words) => !isOfHistory(words) && !isOfClasses(words))).toEqual([])
    expect(others.length - ofClasses.length).toBeLessThanOrEqual(4)
    expect(ofClasses.length).toBeLessThanOrEqual(5)
    // There are 12 or 13 surveys a minute, and the heartbeats of two standby links: of the lease thread, and
    // for rings.
    expect(sent.filter(isSurvey).length).toBeGreaterThan(1)
    expect(sent.filter(isSurvey).length).toBeLessThanOrEqual(4)
    expect(sent.filter((words) => words === '"PING"').length).toBeLessThanOrEqual(2)
  },
  30_000,
)

/**
 * A worker is killed between the steps of a processor that adds children and waits for them. Another worker
 * goes on: the parent completes with the values of its children, and each child runs once.
 */
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { App } from '../../../lark-jobs/test/processes/app.ts'
import { newPrefix, removeKeys } from '../../../lark-jobs/test/redis/place.ts'
import { Queue, Worker } from '../../src/index.ts'

/** At the step that is the argument, the processor says so, and goes on no more. */
const program = `
  import { Queue, WaitingChildrenError, Worker } from '@s18i/lark-bullmq'
  const place = { connection: process.env.STORE, prefix: process.env.PREFIX }
  const children = new Queue('children', place)
  const at = async (step) => {
    if (step !== process.argv[2]) return
    process.stdout.write('at ' + step)
    await new Promise(() => {})
  }
  new Worker('parents', async (job, token) => {
    await at('begin')
    if (job.data.step !== 'wait') {
      const parent = { id: job.id, queue: job.queueQualifiedName }
      await children.add('one', { n: 1 }, { jobId: 'one', parent })
      await at('between')
      await children.add('two', { n: 2 }, { jobId: 'two', parent })
      await at('added')
      await job.updateData({ step: 'wait' })
      await at('noted')
    }
    if (await job.moveToWaitingChildren(token)) {
      await at('waiting')
      throw new WaitingChildrenError()
    }
    await at('end')
    return Object.values(await job.getChildrenValues()).sort()
  }, { ...place, lockDuration: 500 })`

const stores = {
  'the embedded store': (folder: string) => `sqlite:${join(folder, 'jobs.db')}`,
  Redis: () => inject('redisUrl'),
}

describe.each(Object.keys(stores) as (keyof typeof stores)[])('on %s', { timeout: 60_000 }, (store) => {
  test.each(['begin', 'between', 'added', 'noted', 'waiting', 'end'])('killed at: %s', async (step) => {
    const prefix = newPrefix()
    const dependencies = { '@s18i/lark': '*', '@s18i/lark-jobs': '*', '@s18i/lark-bullmq': '*' }
    await using app = await App.make({
      'package.json': JSON.stringify({ type: 'module', dependencies }),
      'work.js': program,
    })
    const own = join(app.folder, 'node_modules/@s18i/lark-bullmq')
    await symlink(fileURLToPath(new URL('../..', import.meta.url)), own)
    const connection = stores[store](app.folder)
    Object.assign(app.env, { STORE: connection, PREFIX: prefix })
    if (store === 'Redis') app.atEnd(() => removeKeys(connection, prefix))
    const place = { connection, prefix }
    await using queue = new Queue('parents', place)
    const ran: number[] = []
    const run = async ({ data }: { data: { n: number } }) => ran.push(data.n) && data.n * 10
    const job = await queue.add('parent', {})

    const first = app.start(['work.js', step])
    // The children end before the worker is killed only if the last step is the one at which it is killed.
    const begin = () => new Worker('children', run, place)
    let children = step === 'end' ? begin() : undefined
    await first.says(`at ${step}`)
    first.child.kill('SIGKILL')
    await first.result
    children ??= begin()
    const second = app.start(['work.js'])
    expect(await job.waitUntilFinished(undefined, 30_000)).toEqual([10, 20])
    expect(ran.sort()).toEqual([1, 2])
    second.child.kill('SIGKILL')
    await second.result
    await children.close()
  })
})

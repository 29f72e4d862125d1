import { expect, test } from 'vitest'
import { Caller } from '../conformance/caller.ts'
import { ids, job } from '../conformance/jobs.ts'
import { Child } from './child.ts'
import { Folder } from './folder.ts'

test('several processes can create a new file at the same time', async () => {
  await using folder = await Folder.make()
  const children = ['a', 'b', 'c', 'd', 'e'].map((name) => new Child('open', folder.file, name))
  await Promise.all(children.map((child) => child.message()))
  for (const child of children) child.tell('go')
  expect(await Promise.all(children.map((child) => child.ended()))).toEqual([0, 0, 0, 0, 0])
  await using store = await folder.store()
  expect(await store.counts('emails')).toMatchObject({ waiting: 5 })
})

test('if three processes queue 3,000 jobs while two other processes work, each job runs exactly once', async () => {
  await using folder = await Folder.make()
  await using first = new Child('work', folder.file, 'worker-1')
  await using second = new Child('work', folder.file, 'worker-2')
  const ran: string[] = []
  const allRan = new Promise<void>((resolve) => {
    for (const worker of [first, second]) {
      worker.onMessage((done: string[]) => {
        ran.push(...done)
        if (ran.length >= 3_000) resolve()
      })
    }
  })
  const webs = ['x', 'y', 'z'].map((name) => new Child('dispatch', folder.file, name))
  expect(await Promise.all(webs.map((child) => child.ended()))).toEqual([0, 0, 0])
  await allRan
  first.tell('stop')
  second.tell('stop')
  expect([await first.ended(), await second.ended()]).toEqual([0, 0])
  expect(ran).toHaveLength(3_000)
  expect(new Set(ran).size).toBe(3_000)
  await using store = await folder.store()
  expect(await store.counts('emails')).toMatchObject({ completed: 3_000, waiting: 0, active: 0 })
})

test('a job that one process queues ends the wait of another process', async () => {
  await using folder = await Folder.make()
  await using child = new Child('wait', folder.file, 'ada')
  expect(await child.message()).toBe('waiting')
  await using store = await folder.store()
  await new Caller(store, 'web', 'emails').enqueue(job())
  expect(await child.message()).toEqual(['emails'])
  expect(await child.ended()).toBe(0)
})

test('the notification for a process that has died goes to another waiting process', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const ada = new Caller(store, 'ada', 'emails')
  expect(await ada.claim()).toEqual([])
  // This process asks later than the caller `ada`, so it is notified first.
  await using child = new Child('hang', folder.file, 'bob')
  expect(await child.message()).toBe('waiting')
  await child.kill()
  const given = job()
  await new Caller(store, 'web', 'emails').enqueue(given)
  expect(await store.wait('ada', 100)).toEqual([])
  expect(await store.wait('ada', 10_000)).toEqual(['emails'])
  expect(ids(await ada.claim())).toEqual([given.id])
})

test('an open store without pending calls lets its process end', async () => {
  await using folder = await Folder.make()
  await using child = new Child('leave', folder.file, 'ada')
  expect(await child.ended()).toBe(0)
})

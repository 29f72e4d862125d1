import { expect, test } from 'vitest'
import { Caller } from '../conformance/caller.ts'
import { ids, jobs } from '../conformance/jobs.ts'
import { Folder } from './folder.ts'

test('callers whose names only begin with the name of a holder are other callers', async () => {
  await using folder = await Folder.make()
  await using store = folder.inMemory()
  await store.open()
  const [web, ...others] = ['web', 'web.1', 'web.example.com', 'web/1', 'web-1', 'we'].map((name) => {
    return new Caller(store, name, 'emails')
  })
  await web!.enqueue(...jobs(12))
  const held = [...(await web!.claim()), ...(await web!.claimAhead(0, 1))]
  for (const other of others) await other.claim()
  const { recovered } = await store.recover('emails', { holder: 'web' })
  expect([...recovered].sort()).toEqual(ids(held))
  expect(await store.counts('emails')).toMatchObject({ active: others.length })
})

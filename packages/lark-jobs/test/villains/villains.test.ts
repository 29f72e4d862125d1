/**
 * A short form of `npm run villains`: each villain comes twice, and the worker is killed. Times are not
 * judged, because they depend on how busy the machine is.
 */
import { expect, test } from 'vitest'
import { villainNames } from './account.ts'
import { villains } from './run.ts'

test('beside jobs that loop, wait, allocate, exit and abort, and a kill of the worker, honest jobs lose nothing', async () => {
  const {
    honest,
    kills,
    villains: found,
    findings,
  } = await villains({ store: 'redis', times: 2, isTimed: false, say() {} })
  expect(findings).toEqual([])
  expect(kills).toBe(1)
  expect(honest.dispatched).toBeGreaterThan(100)
  for (const name of villainNames) expect(found[name].times).toBe(2)
})

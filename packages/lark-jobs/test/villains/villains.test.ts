/**
 * A short form of `npm run villains`: each villain runs twice, and the worker is killed. Times are not
 * checked, because they depend on how busy the machine is.
 */
import { expect, test } from 'vitest'
import { villainNames } from './account.ts'
import { villains } from './run.ts'

test('honest jobs lose nothing while other jobs loop, wait, allocate, exit and abort, and the worker is killed', async () => {
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

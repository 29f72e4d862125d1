/**
 * A short form of `npm run transactions`: 300 transactions of all clients of PostgreSQL, while an
 * application, a worker, the relay, the database and the store are killed. The test takes 8 s of CPU time.
 */
import { expect, test } from 'vitest'
import { clients } from '../outbox/clients.ts'
import { transactions } from './run.ts'

test('committed jobs run and rolled back jobs do not, although all processes are killed meanwhile', async () => {
  const found = await transactions({
    ...{ database: 'postgres', store: 'redis', transactions: 300, minutes: 3, rate: 60, seed: 1 },
    ...{ form: 'short', say() {} },
  })
  expect(found.findings).toEqual([])
  expect(found.orders).toBeGreaterThanOrEqual(300)
  expect(found.rolledBack).toBeGreaterThan(50)
  expect(found.kills).toEqual({ application: 1, worker: 2, database: 1, store: 1 })
  const names = clients.filter(({ dialect }) => dialect === 'postgres').map(({ name }) => name)
  expect(Object.keys(found.clients).sort()).toEqual(names.sort())
}, 240_000)

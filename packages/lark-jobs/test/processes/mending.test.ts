/** Ctrl-C in the middle of a change of many jobs. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { App } from './app.ts'

const MANY = 2_000

class ChargeJob extends Job {
  override readonly key = 'charge'
  override delay = '1h'
  handle(_payload: { n: number }) {}
}

test('a command that is interrupted says what it has done, and leaves the rest', async () => {
  await using app = await App.make({})
  await using jobs = createJobs({ connection: `sqlite:${join(app.folder, '.lark/jobs.db')}` })
  await jobs.dispatchMany(
    new ChargeJob(),
    Array.from({ length: MANY }, (_, n) => ({ n })),
  )
  const folder = join(app.folder, '.lark/removed')
  const written = async () => {
    const [name] = await readdir(folder).catch(() => [])
    return name === undefined ? '' : readFile(join(folder, name), 'utf8')
  }
  const { child, result } = app.lark('jobs:remove', '--job=charge', '--yes')
  while ((await written()) === '' && child.exitCode === null) await pause(2)
  child.kill('SIGINT')
  const { code, stderr } = await result
  const [, said = ''] = /^! Interrupted: removed ([\d,]+) jobs, and no more$/m.exec(stderr) ?? []
  expect(code, stderr).toBe(130)
  const removed = Number(said.replace(',', ''))
  const { delayed } = (await jobs.status()).queues[0]!.counts
  expect(delayed).toBe(MANY - removed)
  expect(removed).toBeGreaterThan(0)
  expect(delayed).toBeGreaterThan(0)
  expect((await written()).trim().split('\n')).toHaveLength(removed)
  expect((await app.run('jobs:audit')).stdout).toMatch(
    new RegExp(`\\bcommand +remove +jobs of key charge +interrupted at ${said}$`, 'm'),
  )
})

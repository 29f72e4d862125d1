/**
 * Each entry in the table of job changes must have a method of `Jobs` and of handles, a command, and a row in
 * the manual.
 */
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { JobHandle } from '../../src/api/job-handle.ts'
import { undoableChanges } from '../../src/operate/change/changed.ts'
import { jobChanges } from '../../src/operate/change/job-changes.ts'
import { Operations } from '../../src/operate/operations.ts'
import { type Change, changeKinds } from '../../src/store/contract/store.ts'

const names = Object.keys(jobChanges) as (keyof typeof jobChanges)[]
const methodOf = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
const without = (...some: typeof names) => names.filter((name) => !some.includes(name))

test('each change has a method of Jobs', () => {
  for (const name of names) expect(Operations.prototype, name).toHaveProperty(methodOf(name))
})

test('each change has a method of handles, unless the change is only for jobs that a filter finds', () => {
  for (const name of without('retry', 'purge'))
    expect(JobHandle.prototype, name).toHaveProperty(methodOf(name))
})

test('each change has a command', () => {
  for (const name of names)
    expect(existsSync(new URL(`../../src/commands/change/jobs-${name}.ts`, import.meta.url)), name).toBe(true)
})

test('the list of audited changes in the manual has each change', () => {
  const page = readFileSync(new URL('../../../../docs/audit.md', import.meta.url), 'utf8')
  const row = page.split('\n').find((line) => line.startsWith('| `what` |'))
  for (const name of names) expect(row, name).toContain(`\`${name}\``)
})

test('the manual has the method of each change, for a filter of jobs and for handles', () => {
  const read = (page: string) => readFileSync(new URL(`../../../../docs/${page}.md`, import.meta.url), 'utf8')
  const rows = (page: string) =>
    read(page)
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .join('\n')
  for (const name of names) expect(rows('operating-jobs')).toContain(`\`${methodOf(name)}(`)
  for (const name of without('retry', 'purge')) expect(rows('handles')).toContain(`${methodOf(name)}(`)
})

test('only changes that can be undone have an undo', () => {
  const undone = Object.values(jobChanges).filter(({ undo }) => undo !== undefined)
  expect(undone.map(({ what }) => what)).toEqual(undoableChanges)
})

test('each kind of change that a store can make by hand has a row in the table', () => {
  // Edits and purges have files of their own. People do not make the changes `unpin` and `report` by hand.
  const told: Change['kind'][] = ['edit', 'purge', 'unpin', 'report']
  for (const { change } of Object.values(jobChanges))
    if (change !== undefined) told.push(change(undefined as never, {}).kind)
  expect(told.sort()).toEqual([...changeKinds].sort())
})

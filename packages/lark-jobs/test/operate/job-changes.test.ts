/**
 * Each entry in the table of job changes must have a method of `Jobs` and of handles, a command, and a row in
 * the manual. These tests name a change that lacks one of them.
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

test('each change has a method of handles, unless it is only for people who search for jobs', () => {
  for (const name of without('retry', 'purge'))
    expect(JobHandle.prototype, name).toHaveProperty(methodOf(name))
})

test('each change has a command', () => {
  for (const name of names)
    expect(existsSync(new URL(`../../src/commands/change/jobs-${name}.ts`, import.meta.url)), name).toBe(true)
})

test("each change is in the manual's list of changes in the audit", () => {
  const page = readFileSync(new URL('../../../../docs/audit.md', import.meta.url), 'utf8')
  const row = page.split('\n').find((line) => line.startsWith('| `what` |'))
  for (const name of names) expect(row, name).toContain(`\`${name}\``)
})

test('each change has its method in the manual, for people who choose jobs and for handles', () => {
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

test('whatever a store changes by hand is told by a row', () => {
  // How edits and purges are told stands in their own files; nobody unpins a job or reports for one by hand.
  const told: Change['kind'][] = ['edit', 'purge', 'unpin', 'report']
  for (const { change } of Object.values(jobChanges))
    if (change !== undefined) told.push(change(undefined as never, {}).kind)
  expect(told.sort()).toEqual([...changeKinds].sort())
})

import { expect, test } from 'vitest'
import type { FaultKind } from './fault.ts'
import { type Step, schedule } from './schedule.ts'

const kinds: FaultKind[] = (['role', 'network', 'server'] as const).flatMap((group) =>
  [1, 2, 3].map((n) => ({
    name: `${group} ${n}`,
    group,
    lasts: [1, 2] as const,
    begin: async () => async () => {},
  })),
)

const shown = (steps: Step[]) =>
  steps.map((step) => step.map(({ kind, ...rest }) => ({ kind: kind.name, ...rest })))

function first(count: number, seed: number): Step[] {
  const steps: Step[] = []
  for (const step of schedule(kinds, seed, 1_000, 'long')) if (steps.push(step) === count) break
  return steps
}

test('the same seed gives the same schedule of faults, and another seed gives another schedule', () => {
  expect(shown(first(50, 7))).toEqual(shown(first(50, 7)))
  expect(shown(first(50, 7))).not.toEqual(shown(first(50, 8)))
})

test('in the short form, each fault occurs once for its declared duration, and faults of roles and of the network overlap', () => {
  const steps = [...schedule([...kinds, { ...kinds[0]!, name: 'rare', onlyLong: true }], 3, 1_000, 'short')]
  const groups = steps.map((step) => step.map(({ kind }) => kind.group).sort())
  expect(groups.sort()).toEqual([...Array(3).fill(['network', 'role']), ...Array(3).fill(['server'])])
  const all = steps.flat()
  expect(all.map(({ kind }) => kind.name).sort()).toEqual(kinds.map(({ name }) => name).sort())
  for (const { lasts } of all) {
    expect(lasts).toBeGreaterThanOrEqual(1_000)
    expect(lasts).toBeLessThanOrEqual(2_000)
  }
})

test('the long form repeats every fault, and two faults of the same group never overlap', () => {
  const steps = first(200, 11)
  const names = steps.flat().map(({ kind }) => kind.name)
  for (const { name } of kinds) expect(names.filter((each) => each === name).length).toBeGreaterThan(15)
  expect(steps.some((step) => step.length === 2)).toBe(true)
  for (const step of steps) expect(new Set(step.map(({ kind }) => kind.group)).size).toBe(step.length)
})

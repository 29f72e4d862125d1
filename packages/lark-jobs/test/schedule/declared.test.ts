/**
 * Which definition of the schedule of a class counts while workers of different deploys declare different
 * definitions.
 */
import { expect, test } from 'vitest'
import { FORGET, holding } from '../../src/schedule/declared.ts'
import { type Definition, hashOf, writeDefinition } from '../../src/schedule/definition.ts'
import { begin, type Schedule } from '../../src/schedule/plan.ts'

const start = Date.UTC(2026, 0, 1)

function every(minutes: number): Definition {
  return {
    timing: { kind: 'every', ms: minutes * 60_000 },
    ...{ missed: 'skip', grace: 60_000, overlap: 'allow', jitter: 0, pauseAfterFailures: 0, limit: 0 },
    ...{ queue: 'default', job: { key: 'report', payload: '{}' }, ofClass: 'report' },
  }
}

/** A schedule, and workers that declare definitions of it. */
class Deploys {
  now = start
  readonly living: (Definition | undefined)[] = []
  schedule: Schedule = { id: 'report', definition: every(1), state: begin(every(1), start), runs: [] }

  /** Lets a worker of each living deploy check the definition, in any order, until nothing changes. */
  look(): number {
    const declared = new Set(this.living.flatMap((each) => (each === undefined ? [] : [hashOf(each)])))
    for (const own of [...this.living, ...this.living]) {
      const { definition, changes } = holding(this.schedule, own, declared, this.now)
      const { schedule } = this
      const state = { ...schedule.state, ...(changes && { ...changes }) } as Schedule['state']
      this.schedule = { ...schedule, state, definition: definition ?? schedule.definition }
    }
    const { timing } = this.schedule.definition
    return timing.kind === 'every' ? timing.ms / 60_000 : 0
  }

  later(...living: (Definition | undefined)[]): number {
    this.now += 60_000
    this.living.splice(0, this.living.length, ...living)
    return this.look()
  }
}

test('the definition of a new deploy counts when its first worker starts, and an old process that starts again changes nothing', () => {
  const deploys = new Deploys()
  expect(deploys.later(every(1))).toBe(1)
  expect(deploys.later(every(1), every(1), every(2))).toBe(2)
  expect(deploys.later(every(1), every(2))).toBe(2)
  expect(deploys.later(every(2), every(1), every(1))).toBe(2)
  expect(deploys.later(every(2))).toBe(2)
})

test('a rollback takes effect when the last worker of the new deploy has ended, and so does the next deploy', () => {
  const deploys = new Deploys()
  deploys.later(every(1))
  deploys.later(every(1), every(2))
  expect(deploys.later(every(2))).toBe(2)
  expect(deploys.later(every(1), every(2))).toBe(2)
  expect(deploys.later(every(1))).toBe(1)
  expect(deploys.later(every(1), every(2))).toBe(2)
  expect(deploys.later(every(2), every(3))).toBe(3)
})

test('while no living worker declares a definition, the last definition is used', () => {
  const deploys = new Deploys()
  deploys.later(every(1), every(2))
  expect(deploys.later(undefined)).toBe(2)
  expect(deploys.schedule.state.undeclaredSince).toBe(deploys.now)
  expect(deploys.later(every(2))).toBe(2)
  expect(deploys.schedule.state.undeclaredSince).toBeUndefined()
})

test('a definition that nobody declares for ten minutes is forgotten', () => {
  const deploys = new Deploys()
  deploys.later(every(1), every(2))
  const hashes = () => deploys.schedule.state.others!.map(({ hash }) => hash)
  deploys.later(every(2))
  expect(hashes()).toEqual([hashOf(every(1))])
  deploys.now += FORGET
  deploys.later(every(2))
  expect(hashes()).toEqual([])
  // A definition that was forgotten counts as new.
  expect(deploys.later(every(1), every(2))).toBe(1)
})

test('a second check of the definition changes nothing', () => {
  const deploys = new Deploys()
  deploys.later(every(1), every(2))
  const declared = new Set([every(1), every(2)].map(hashOf))
  expect(holding(deploys.schedule, every(1), declared, deploys.now + 1)).toEqual({})
})

test('the hash of a definition does not depend on the order of its fields', () => {
  const { job, timing, ...rest } = every(1)
  expect(writeDefinition({ timing, job, ...rest })).toBe(writeDefinition(every(1)))
  expect(hashOf(every(1))).not.toBe(hashOf(every(2)))
})

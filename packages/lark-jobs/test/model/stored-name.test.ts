import { expect, test } from 'vitest'
import { storedName, storedPair } from '../../src/model/stored-name.ts'
import { groupFor, groupName } from '../../src/options/group.ts'
import { lockOf, oneByOne } from '../../src/options/unique.ts'
import { laneName, readLane } from '../../src/store/contract/rules/lane.ts'
import { Random } from '../conformance/random.ts'

/** Characters that have a meaning in some format, or that could be confused in UTF-8, in a URL or in SQL. */
const signs = [
  'a',
  'b',
  ':',
  '%',
  '#',
  '=',
  '~',
  '^',
  '*',
  '|',
  '\\',
  '/',
  '_',
  '@',
  '\0',
  '\n',
  '%3A',
  'é',
  'e\u0301',
  '😀',
  'a'.repeat(60),
]

function text(random: Random): string {
  return Array.from({ length: 1 + random.below(5) }, () => random.pick(signs)!).join('')
}

/**
 * Makes many names, some of them from earlier ones.
 *
 * @param make returns what a name stands for, and the stored name
 */
function fuzz(
  seed: number,
  make: (random: Random, text: () => string) => [meaning: unknown[], name: string],
): void {
  const random = new Random(seed)
  const meanings = new Map<string, string>()
  const names = new Map<string, string>()
  const made: string[] = []
  for (let round = 0; round < 4_000; round++) {
    const pick = () => (made.length > 0 && random.chance(3) ? random.pick(made)! : text(random))
    const [meaning, name] = make(random, pick)
    const key = JSON.stringify(meaning)
    if ((meanings.get(name) ?? key) !== key || (names.get(key) ?? name) !== name)
      expect.fail(`round ${round}: ${JSON.stringify(name)} is ${key} and ${meanings.get(name)}`)
    meanings.set(name, key)
    names.set(key, name)
    if (random.chance(4)) made.push(name)
  }
  // Some names have occurred more than once.
  expect(meanings.size).toBeLessThan(3_900)
}

test.each([1, 2, 3])(
  'two stored names are equal only if the names of the user are equal (seed %i)',
  (seed) => {
    fuzz(seed, (_, pick) => {
      const name = pick()
      return [[name], storedName(name)]
    })
  },
)

test.each([4, 5, 6])(
  'two stored locks are equal only if the class and the value are equal (seed %i)',
  (seed) => {
    fuzz(seed, (random, pick) => {
      const [key, value] = [pick(), random.chance(5) ? '' : pick()]
      const lock = lockOf({ by: () => value }, key, undefined)
      return [[key, value], (lock as { name: string }).name]
    })
  },
)

test.each([7, 8, 9])(
  'the stored names of groups, of keepLast groups and of limiters are distinct (seed %i)',
  (seed) => {
    fuzz(seed, (random, pick) => {
      const limiter = random.chance(3) ? pick() : undefined
      const name = random.chance(3) ? `=${pick()}:x` : pick()
      const [kind, group] = random.chance(2)
        ? ['group', groupFor({ by: () => name }, undefined) as { name: string }]
        : ['keepLast', oneByOne(storedPair(name, 'x'))]
      const lane = laneName(group.name, limiter)
      const read = readLane(lane)
      if (read.group !== group.name || read.limiter !== limiter) expect.fail(`${lane} is read otherwise`)
      return [[kind, name, limiter], lane]
    })
  },
)

test('ordinary names are stored unchanged', () => {
  for (const name of ['acme', 'user-7', 'tenant:7', 'a/b', '50%', 'ä'.repeat(64)])
    expect(storedName(name)).toBe(name)
  expect(storedPair('send-email', '7')).toBe('send-email:7')
  expect(storedPair('send-email', 'a:b')).toBe('send-email:a:b')
  expect(groupName(7)).toBe('7')
})

test.each(['\ud800', 'a\udfff', '\ude00\ud83d'])(
  'a text with half of a surrogate pair is refused as a name: %j',
  (half) => {
    expect(lockOf({ by: () => half }, 'sync', undefined)).toBe('a text with half of a surrogate pair')
    expect(groupFor({ by: () => half }, undefined)).toBe('a text with half of a surrogate pair')
    expect(lockOf({ by: () => '\ud83d\ude00' }, 'sync', undefined)).toMatchObject({ name: 'sync:😀' })
  },
)

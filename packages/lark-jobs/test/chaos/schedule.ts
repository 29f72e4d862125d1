/**
 * Which faults come in which order: drawn from a seed before anything begins, so that a run can be repeated.
 *
 * Each kind comes once before any comes again. In the long form some come in twos that overlap, and some last several
 * times as long. In the short form, which is to be short, roles and network are broken at the same time.
 */
import { Random } from '../conformance/random.ts'
import type { FaultKind } from './fault.ts'

export interface Planned {
  kind: FaultKind
  /** Milliseconds after its step began. */
  after: number
  /** Milliseconds. */
  lasts: number
  /** Whom it meets, of as many as there are. */
  target: number
  /** For what it leaves to chance while it lasts. */
  seed: number
}

/** Faults of one time; before the next step everybody is at work again. */
export type Step = Planned[]

/** What is broken at the same time in the short form. */
const together: Partial<Record<FaultKind['group'], FaultKind['group']>> = { role: 'network', network: 'role' }
/** How much longer the longest last. */
const LONGER = 5

export function* schedule(
  kinds: readonly FaultKind[],
  seed: number,
  lease: number,
  form: 'short' | 'long',
): Generator<Step> {
  const random = new Random(seed)
  const plan = (kind: FaultKind, after: number): Planned => {
    const [least, most] = kind.lasts
    const longer = form === 'long' && random.chance(8) ? LONGER : 1
    const leases = least + ((most - least) * random.below(1_000)) / 1_000
    return {
      kind,
      after,
      lasts: Math.round(leases * longer * lease),
      target: random.below(1_000),
      seed: random.below(2 ** 31),
    }
  }
  do {
    const bag = kinds.filter(({ onlyLong }) => form === 'long' || !onlyLong)
    while (bag.length > 0) {
      const [kind] = bag.splice(random.below(bag.length), 1) as [FaultKind]
      const step = [plan(kind, 0)]
      const others = bag.filter((other) =>
        form === 'long' ? other.group !== kind.group : other.group === together[kind.group],
      )
      if (others.length > 0 && (form === 'short' || random.chance(3))) {
        const other = random.pick(others)!
        bag.splice(bag.indexOf(other), 1)
        step.push(plan(other, random.below(step[0]!.lasts)))
      }
      yield step
    }
  } while (form === 'long')
}

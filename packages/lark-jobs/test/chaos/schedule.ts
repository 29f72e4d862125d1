/**
 * The order of the faults. The order is computed from a seed before the run begins, so that a run can be
 * repeated.
 *
 * Each kind comes once before any kind comes again. In the long form, some faults overlap in pairs, and some
 * faults last several times as long. In the short form, faults of roles and of the network overlap to save
 * time.
 */
import { Random } from '../conformance/random.ts'
import type { FaultKind } from './fault.ts'

export interface Planned {
  kind: FaultKind
  /** When the fault begins: milliseconds after the beginning of its step. */
  after: number
  /** Milliseconds. */
  lasts: number
  /** The number of the role or server that the fault affects. */
  target: number
  /** The seed of the random choices of the fault. */
  seed: number
}

/** Faults at about the same time. All roles work again before the next step. */
export type Step = Planned[]

/** The groups of faults that overlap with each other in the short form. */
const together: Partial<Record<FaultKind['group'], FaultKind['group']>> = { role: 'network', network: 'role' }
/** The factor for the longest faults. */
const LONGER = 5

export function* schedule(
  kinds: readonly FaultKind[],
  seed: number,
  leaseMs: number,
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
      lasts: Math.round(leases * longer * leaseMs),
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

/**
 * The kinds of faults. Each fault begins, lasts for some time, and ends, and it notes which roles it affects
 * and how.
 */
import type { Random } from '../conformance/random.ts'
import type { Crew, Role } from './crew.ts'
import type { Fault, Hit } from './evidence.ts'

export interface FaultKind {
  name: string
  /** Two faults of the same group never overlap. */
  group: 'role' | 'network' | 'server'
  /** The shortest and the longest duration, as multiples of the lease. */
  lasts: readonly [number, number]
  /** Whether the fault is left out of the short form, because it is similar to another one. */
  onlyLong?: boolean
  /** Begins the fault. @returns a function that ends the fault */
  begin(scene: Scene): Promise<() => Promise<void>>
}

/** The objects that a fault needs. */
export interface Scene {
  crew: Crew
  workers: readonly Role[]
  dispatchers: readonly Role[]
  random: Random
  /** The number of the role or server that the fault affects. */
  target: number
  /**
   * Whether a process that was stopped in a transaction holds the store, so that no other process can write.
   */
  isLocked: () => boolean
  /**
   * Notes that an effect on one role or on all roles begins, or began `ago` milliseconds ago. @returns a
   * function that notes the end of the effect
   */
  hit(what: Hit['what'], role?: Role, ago?: number): (at?: number) => void
}

/** Makes the scene of one fault. */
export function sceneOf(
  fault: Fault,
  rest: Pick<Scene, 'crew' | 'workers' | 'dispatchers' | 'random' | 'target' | 'isLocked'>,
): Scene {
  return {
    ...rest,
    hit(what, role, ago = 0) {
      const by = role === undefined ? {} : { by: rest.crew.nameOf(role) }
      const hit: Hit = { what, ...by, from: Date.now() - ago, to: Number.POSITIVE_INFINITY }
      fault.hits.push(hit)
      return (at = Date.now()) => {
        hit.to = at
      }
    },
  }
}

export function pick<T>(list: readonly T[], target: number): T {
  return list[target % list.length]!
}

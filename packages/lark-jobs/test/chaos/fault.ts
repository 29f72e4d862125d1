/**
 * What can be broken, and how it is mended. Each kind of fault begins, lasts, and is healed; it writes down what it
 * does to whom while it does it.
 */
import type { Random } from '../conformance/random.ts'
import type { Crew, Role } from './crew.ts'
import type { Fault, Hit } from './evidence.ts'

export interface FaultKind {
  name: string
  /** Two of one group never overlap. */
  group: 'role' | 'network' | 'server'
  /** From and to, in leases. */
  lasts: readonly [number, number]
  /** Too like another to be worth its time in the short form. */
  onlyLong?: boolean
  /** Breaks something. @returns how it is mended */
  begin(scene: Scene): Promise<() => Promise<void>>
}

/** What a fault finds. */
export interface Scene {
  crew: Crew
  workers: readonly Role[]
  dispatchers: readonly Role[]
  random: Random
  /** Whom it meets, of as many as there are. */
  target: number
  /** Whether somebody holds the store, so that nobody else can write: a process that was stopped in a transaction. */
  isLocked: () => boolean
  /** Begins to write down what it does, to one or to all, `ago` milliseconds ago. @returns ends it */
  hit(what: Hit['what'], role?: Role, ago?: number): () => void
}

/** The scene of one fault. */
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
      return () => {
        hit.to = Date.now()
      }
    },
  }
}

export function pick<T>(list: readonly T[], target: number): T {
  return list[target % list.length]!
}

/**
 * The connection of one worker, or of the application, to the store of a fake. The connection can be cut, as
 * when a process dies. (`outage.ts` makes the store itself unreachable for some time.)
 */
import { JobsError } from '../model/errors.ts'
import type { Store } from '../store/contract/store.ts'

/**
 * A function through which each call goes. It may leave the call out.
 *
 * @param verb the name of the call, such as `exchange` or `flows.write`
 */
type Through = (verb: string, args: readonly unknown[], go: () => Promise<unknown>) => Promise<unknown>

const parts = ['limiters', 'flows', 'schedules', 'audit', 'journals']

/** A copy of a store whose calls go through a function. Its other properties are those of the store. */
export function through(store: Store, call: Through): Store {
  return intercepted(store, call, '') as Store
}

function intercepted(target: object, call: Through, prefix: string): object {
  const known = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get(_, name) {
      if (known.has(name)) return known.get(name)
      const value: unknown = Reflect.get(target, name, target)
      let made = value
      if (typeof value === 'function') {
        const go = (args: unknown[]) => Reflect.apply(value, target, args)
        const verb = `${prefix}${String(name)}`
        made =
          typeof name === 'symbol'
            ? value.bind(target)
            : (...args: unknown[]) => call(verb, args, () => go(args))
      } else if (parts.includes(name as string))
        made = intercepted(value as object, call, `${name as string}.`)
      else return value
      known.set(name, made)
      return made
    },
  })
}

/** A run of a job behind a link. */
export interface LinkedRun {
  /** How many waits of this run depend on other jobs of the fake. */
  waits: number
}

export class StoreLink {
  /** The runs that have not ended. */
  readonly runs = new Set<LinkedRun>()
  #isCut = false
  #end: (() => void) | undefined
  readonly #ended = new Promise<void>((resolve) => {
    this.#end = resolve
  })

  get isCut(): boolean {
    return this.#isCut
  }

  /** How many runs wait for other jobs. */
  get blocked(): number {
    return [...this.runs].filter(({ waits }) => waits > 0).length
  }

  /**
   * Makes the process at this end of the link dead: its calls no longer reach the store, and no answer
   * reaches the process.
   */
  cut(): void {
    this.#isCut = true
  }

  /** Called when the fake has ended: calls that still wait for an answer fail. */
  end(): void {
    this.cut()
    this.#end?.()
  }

  /** Makes a call of a dead process wait for ever. @throws STORE_UNREACHABLE when the fake has ended */
  async silence(): Promise<never> {
    await this.#ended
    throw new JobsError('STORE_UNREACHABLE', 'The fake has ended, and its store with it')
  }
}

/** A promise that never settles, so that code of a dead process does not go on. */
export function nothing(): Promise<never> {
  return new Promise(() => {})
}

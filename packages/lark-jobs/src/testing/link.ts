/**
 * The way of one worker, or of the application, to the store of a fake: it can be cut, as when a process
 * dies, and the store can be away for a while (`outage.ts`).
 */
import { JobsError } from '../model/errors.ts'
import type { Store } from '../store/contract/store.ts'

/** Makes a call, or leaves it out. @param verb such as `exchange` or `flows.write` */
type Through = (verb: string, args: readonly unknown[], go: () => Promise<unknown>) => Promise<unknown>

const parts = ['limiters', 'flows', 'schedules', 'audit', 'journals']

/** A store of which each call goes through a function. Its name and its kind are those of the store. */
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
  /** How many things it waits for that depend on other jobs of the fake. */
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

  /** The process at this end is dead: its calls no longer reach the store, and no answer reaches it. */
  cut(): void {
    this.#isCut = true
  }

  /** The fake has ended: what still waits for an answer fails. */
  end(): void {
    this.cut()
    this.#end?.()
  }

  /** The store no longer answers a dead process. @throws STORE_UNREACHABLE when the fake has ended */
  async silence(): Promise<never> {
    await this.#ended
    throw new JobsError('STORE_UNREACHABLE', 'The fake has ended, and its store with it')
  }
}

/** For code of a dead process: this promise never settles, so the code does not go on. */
export function nothing(): Promise<never> {
  return new Promise(() => {})
}

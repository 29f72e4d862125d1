/**
 * What is known after a run: from the journals of the roles, from the store, and from the conductor, who knows what he
 * broke. The accountant judges by this alone. Every time is in milliseconds of the one clock of the machine.
 */
import type { Counters, State } from '../../src/model/record.ts'

/** One job that was dispatched, as its dispatcher saw it. */
export interface Ask {
  /** Whom it is known by: ids are made by the store's dispatcher and come with the answer. */
  n: string
  at: number
  by: string
  kind: string
  /** What a unique job has alone, while it has not ended. */
  lock?: string
  /** Of which one begins when the one before it has ended. */
  group?: string
  /**
   * None: the dispatcher died first, or was never answered. `met`: not queued, since another, `other`, had its lock.
   * `odd`: an answer that `dispatch` does not promise.
   */
  answer?: {
    at: number
    what: 'accepted' | 'met' | 'refused' | 'uncertain' | 'odd'
    message?: string
    other?: string
  }
}

/** One run of a handler, as its worker saw it. */
export interface Run {
  n: string
  serial: string
  at: number
  by: string
  kind: string
  end?: { at: number; what: 'ended' | 'failed' }
  /** Its signal was aborted, and with which code. */
  told?: { at: number; code: string | undefined }
}

/** One life of a role. */
export interface Life {
  name: string
  from: number
  /** Undefined: it lived to the end. */
  to?: number
  /** `stuck`: it was asked to end, and did not. */
  end?: 'killed' | 'stopped' | 'stuck' | 'by itself'
  /** What it said, when it ended by itself. */
  words?: string
}

/** A job as the store has it at the end; all that it has of one id. */
export interface Kept extends Counters {
  id: string
  n: string
  /** More than one: it is in several states at once. */
  states: State[]
  finishedAt?: number
  /** The serial of the run whose end was accepted; undefined when it did not complete. */
  result?: string
  /** Codes of its errors; its last one is why it failed. */
  errors: (string | undefined)[]
}

/**
 * What a fault did.
 *
 *   killed    the role is dead; `to` is `from`
 *   held      the role stood still, or was cut off from the store
 *   outage    the store was away for everybody
 *   rewound   the store may have lost what it had accepted within this time
 */
export interface Hit {
  what: 'killed' | 'held' | 'outage' | 'rewound'
  /** Whom; undefined: all. */
  by?: string
  from: number
  to: number
}

export interface Fault {
  name: string
  from: number
  to: number
  hits: Hit[]
  /** Milliseconds from its end until every worker and every dispatcher had done something new; undefined: never. */
  recovered?: number
}

/** A queue of which so many jobs may be active at a time, and what the store said of it. */
export interface LimitedQueue {
  queue: string
  most: number
  /** How often it was looked at. */
  looks: number
  /** How many were active, each time that it was another number. */
  active: { at: number; count: number }[]
}

/** What a dispatch waited for. `replicated`: that a replica has it, so that a failover loses nothing. */
export type Durability = 'normal' | 'strict' | 'replicated'

export interface Evidence {
  /** Milliseconds. */
  lease: number
  durability: Durability
  asks: Ask[]
  runs: Run[]
  lives: Life[]
  kept: Kept[]
  faults: Fault[]
  limits: LimitedQueue[]
  /** Of jobs of one kind so many may run at a time. */
  limiter: { kind: string; most: number }
  /** Times in which a worker's event loop stood still, whatever the reason. */
  standstills: Hit[]
  /** Who was not alive again in time, and after what. */
  dead: { by: string; fault: string }[]
}

/** A line of a journal. */
export interface Line {
  at: number
  by: string
  what: string
  n?: string
  ns?: string[]
  serial?: string
  kind?: string
  lock?: string
  group?: string
  other?: string
  code?: string
  message?: string
  from?: number
}

/** Makes asks, runs and standstills of the lines of all journals, which may come in any order between roles. */
export class Reading {
  readonly asks = new Map<string, Ask>()
  readonly runs = new Map<string, Run>()
  readonly standstills: Hit[] = []
  /** When each role last did something that only a living one does. */
  readonly lastSign = new Map<string, number>()

  take(line: Line): void {
    const { at, by, what, n = '', serial = '', kind = '', lock, group } = line
    const run = this.runs.get(serial)
    switch (what) {
      case 'asked':
        for (const each of line.ns!)
          this.asks.set(each, {
            ...{ n: each, at, by, kind },
            ...(lock !== undefined && { lock }),
            ...(group !== undefined && { group }),
          })
        break
      case 'accepted':
      case 'met':
      case 'refused':
      case 'uncertain':
      case 'odd':
        this.#answer(line, what)
        break
      case 'started':
        this.runs.set(serial, { n, serial, at, by, kind })
        break
      case 'ended':
      case 'failed':
        if (run !== undefined) run.end = { at, what }
        break
      case 'told':
        if (run !== undefined) run.told = { at, code: line.code }
        break
      case 'stood':
        this.standstills.push({ what: 'held', by, from: line.from!, to: at })
        break
      case 'ready':
      case 'stopped':
        break
      default:
        throw new Error(`a journal has a line that nobody writes: ${what}`)
    }
    // Only a dispatch that was accepted shows that its dispatcher is well.
    if (what === 'accepted' || what === 'ready') this.lastSign.set(by, at)
  }

  #answer({ at, ns = [], message, other }: Line, what: NonNullable<Ask['answer']>['what']): void {
    for (const n of ns) {
      const ask = this.asks.get(n)
      if (ask !== undefined)
        ask.answer = {
          at,
          what,
          ...(message !== undefined && { message }),
          ...(other !== undefined && { other }),
        }
    }
  }
}

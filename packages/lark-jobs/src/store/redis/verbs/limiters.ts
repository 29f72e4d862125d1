/**
 * Limiters on Redis. Each limiter has its own keys, in one slot of a cluster, and each verb is one script.
 */
import { defined } from '@s18i/lark/internal'
import type { Circuit, CircuitEvent, CircuitRule } from '../../../options/circuit.ts'
import { mostOf } from '../../../options/limiter.ts'
import type { LimiterRecord, Limiters, Lot, PermitCall, Permitted } from '../../contract/limiters.ts'
import { MAX_ITEMS } from '../../contract/rules/capacity.ts'
import type { Scripts } from '../client/script.ts'
import { packDuration, packLimits } from './pack-limits.ts'
import { readLimiter, type ShownLimiter } from './reading.ts'

export class RedisLimiters implements Limiters {
  readonly #scripts: Scripts

  constructor(scripts: Scripts) {
    this.#scripts = scripts
  }

  async permit(limiter: string, call: PermitCall): Promise<Permitted> {
    const { holder, number, after = '', limits, held, wanted, each = 1, unused = [], leaseMs } = call
    const reply = await this.#scripts.on(this.#scripts.keys.limiter(limiter, 'holders'), 'permit', [
      holder,
      String(number),
      packDuration(leaseMs),
      String(held),
      String(wanted),
      String(each),
      packLimits(limits),
      each <= mostOf(limits) ? '1' : '',
      String(after),
      ...unused.flatMap(({ number, mark, count }) => [number, mark, count].map(String)),
    ])
    const [granted, wait, mark] = reply as [number, number, number?]
    return { granted, ...(wait >= 0 && { wait }), ...defined({ mark }) }
  }

  async renew(limiter: string, holder: string, leaseMs: number): Promise<boolean> {
    const key = this.#scripts.keys.limiter(limiter, 'holders')
    return (await this.#scripts.on(key, 'renew-permits', [holder, packDuration(leaseMs)])) === 1
  }

  async circuit(name: string, rule: CircuitRule, event: CircuitEvent): Promise<Circuit> {
    const { failures, per, pause } = rule
    const opening = event.kind === 'begins' ? undefined : event.opening
    const reply = await this.#scripts.on(this.#scripts.keys.limiter(name, 'circuit'), 'circuit', [
      String(failures),
      packDuration(per),
      packDuration(pause),
      event.kind,
      opening === undefined ? '' : String(opening),
      event.kind === 'failed' ? event.id : '',
    ])
    const [kind, value] = reply as [Circuit['kind'], number]
    if (kind === 'trial') return { kind, opening: value }
    return kind === 'open' ? { kind, wait: value } : { kind }
  }

  async look(name: string, lot?: Lot): Promise<LimiterRecord> {
    const key = this.#scripts.keys.limiter(name, 'holders')
    const args = [String(MAX_ITEMS), lot === undefined ? '' : packLimits(lot.limits), String(lot?.each ?? 1)]
    return readLimiter((await this.#scripts.on(key, 'look-at-limiter', args)) as ShownLimiter)
  }
}

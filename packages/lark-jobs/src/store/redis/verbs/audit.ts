/** The audit on Redis. The keys of the audit belong to the whole store (`meta` in `keys.ts`). */
import type { Audit, AuditBounds, AuditRecord, AuditRecords } from '../../contract/store.ts'
import { MAX_ITEMS } from '../../contract/store.ts'
import type { Scripts } from '../client/script.ts'

export class RedisAudit implements Audit {
  readonly #scripts: Scripts

  constructor(scripts: Scripts) {
    this.#scripts = scripts
  }

  async write(id: string, text: string, { count, age }: AuditBounds): Promise<void> {
    const args = [id, text, String(count), String(age)]
    await this.#scripts.on(this.#scripts.keys.meta('audit'), 'audit-write', args)
  }

  async list(limit: number, before?: Pick<AuditRecord, 'id' | 'at'>): Promise<AuditRecords> {
    const args = [String(Math.min(limit, MAX_ITEMS)), String(before?.at ?? ''), before?.id ?? '']
    const reply = await this.#scripts.on(this.#scripts.keys.meta('audit'), 'audit-list', args)
    const [now, ...values] = reply as string[]
    const entries: AuditRecord[] = []
    for (let i = 0; i < values.length; i += 3) {
      const [id, at, value] = values.slice(i, i + 3) as [string, string, string]
      const bar = value.indexOf('|')
      // A damaged value has no time of its last write, so its entry gets the time of its first write from the
      // index.
      const writtenAt = Number(value.slice(0, bar)) || Number(at)
      entries.push({ id, at: Number(at), writtenAt, text: value.slice(bar + 1) })
    }
    return { now: Number(now), entries }
  }
}

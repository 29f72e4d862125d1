/**
 * The contract between the job queue and a store of the audit: what people changed by hand. It is an
 * interface of its own, beside the job verbs (`store.ts`). `test/conformance/audit.ts` tests these promises.
 *
 * **Entry.** An entry is the text of one change. A store does not read it: it keeps the text, when it was
 * first written, and when it was written last, both by the store's clock. So whoever makes a change writes
 * its entry before the change, and again afterwards with the result. Writing an entry again is safe.
 *
 * **Bounds.** Each write removes the entries that are older than an age, and the oldest beyond a number: at
 * most `MAX_ITEMS` entries at a time. An entry that was removed meanwhile comes back with its next write, as
 * a new one.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */

export interface AuditRecord {
  id: string
  /** When it was first written: milliseconds since 1970, by the store's clock. */
  at: number
  /** When it was written last. */
  writtenAt: number
  /** The text of the writer, who limits its parts: about 4 kB at most. */
  text: string
}

/** How many entries are kept, and for how many milliseconds. */
export interface AuditBounds {
  count: number
  age: number
}

export interface AuditRecords {
  /** Milliseconds since 1970, by the store's clock. */
  now: number
  /**
   * The entries that were written last come first. Entries of the same millisecond are in the reverse order
   * of their ids.
   */
  entries: AuditRecord[]
}

export interface Audit {
  /** Writes an entry, or writes it again. @param id made by the writer (`newId`) */
  write(id: string, text: string, bounds: AuditBounds): Promise<void>
  /**
   * A page of entries, at most `limit` (up to `MAX_ITEMS`).
   *
   * @param before only entries after this one in the list, which may have been removed meanwhile. Default:
   *   from the newest entry
   */
  list(limit: number, before?: Pick<AuditRecord, 'id' | 'at'>): Promise<AuditRecords>
}

/**
 * The contract between the job queue and a store of the audit: what people changed by hand. It is an
 * interface of its own, beside the job verbs (`store.ts`). `test/conformance/audit.ts` tests what this
 * comment says.
 *
 * **Entry.** An entry is the text of one change. A store does not read it: it keeps the text, when it was
 * first written, and when it was written last, both by the store's clock. So whoever makes a change writes
 * its entry before, and again with what has become of it. To write again is safe to repeat.
 *
 * **Bounds.** Each write removes the entries that are older than an age, and the oldest of more than a
 * number: at most `MAX_ITEMS` of them. An entry that was removed meanwhile comes back with its next write, as
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
  /** Text of the writer, who bounds its parts: some 4 kB at most. */
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
   * The last to be written first come first. Entries of one millisecond are in the reverse order of their
   * ids.
   */
  entries: AuditRecord[]
}

export interface Audit {
  /** Writes an entry, or writes it again. @param id that the writer makes (`newId`) */
  write(id: string, text: string, bounds: AuditBounds): Promise<void>
  /**
   * A page of entries, at most `limit` (up to `MAX_ITEMS`).
   *
   * @param before only entries behind this one, which need not be there any more. Default: from the newest on
   */
  list(limit: number, before?: Pick<AuditRecord, 'id' | 'at'>): Promise<AuditRecords>
}

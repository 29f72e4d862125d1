/**
 * The contract between the job queue and a store of the audit: what people changed by hand. The audit has its
 * own interface beside the verbs for jobs (`store.ts`). `test/conformance/audit.ts` tests these promises.
 *
 * **Entry.** An entry describes one change in a text that the store does not read. The store also keeps when
 * the entry was first written and when it was last written, by the store's clock. A process that makes a
 * change writes the entry before the change, and writes it again afterwards with the result. Writing an entry
 * again is safe.
 *
 * **Bounds.** Each write names an age and a number (`AuditBounds`). The write removes the entries that have
 * reached this age, and the oldest entries if the audit has more entries than this number: at most
 * `MAX_ITEMS` entries at a time. If an entry was removed between its two writes, the second write adds it as
 * a new entry.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */

export interface AuditRecord {
  id: string
  /** When the entry was first written: milliseconds since 1970, by the store's clock. */
  at: number
  /** When the entry was last written: milliseconds since 1970, by the store's clock. */
  writtenAt: number
  /** A text that only the writer understands: about 4 kB at most. */
  text: string
}

/** How many entries are kept, and for how many milliseconds. */
export interface AuditBounds {
  count: number
  age: number
}

export interface AuditRecords {
  /** The time of the answer: milliseconds since 1970, by the store's clock. */
  now: number
  /** The newest entries come first. Entries of the same millisecond are in the reverse order of their ids. */
  entries: AuditRecord[]
}

export interface Audit {
  /** Adds an entry, or writes an entry again. @param id an id that the writer makes (`newId`) */
  write(id: string, text: string, bounds: AuditBounds): Promise<void>
  /**
   * Reads a page of at most `limit` entries (`limit` is at most `MAX_ITEMS`).
   *
   * @param before the last entry of the previous page, which may have been removed since then. Default: the
   *   page begins with the newest entry
   */
  list(limit: number, before?: Pick<AuditRecord, 'id' | 'at'>): Promise<AuditRecords>
}

/**
 * Which changes a power cut may lose. `normal`: the changes of the last second (Redis with `appendfsync
 * everysec`), or the commits since the last sync (SQLite). `strict`: none. `replicated` (only Redis): none
 * that a replica has; a dispatch gets its answer when a replica has its jobs.
 */
export type Durability = 'normal' | 'strict' | 'replicated'

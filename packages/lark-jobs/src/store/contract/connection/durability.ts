/**
 * How much a power cut may lose. `normal`: the changes of the last second (Redis with `appendfsync
 * everysec`), or the commits since the last sync (SQLite). `strict`: no change. `replicated` (only Redis): no
 * change that a replica has; a dispatch is answered when a replica has it.
 */
export type Durability = 'normal' | 'strict' | 'replicated'

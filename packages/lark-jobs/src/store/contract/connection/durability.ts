/**
 * What a power cut may lose. `normal`: the last second (Redis, AOF everysec) or the commits since the last
 * sync (SQLite). `strict`: nothing. `replicated` (Redis only): nothing that a replica has; a dispatch is
 * answered only when a replica has it.
 */
export type Durability = 'normal' | 'strict' | 'replicated'

/** Embeds the Lua scripts into `src/store/redis/scripts.generated.ts`, and returns them by name. */
export function embedLua(): Record<string, { sha1: string; lua: string }>

/** Embeds the Lua scripts into `src/store/redis/scripts.generated.ts`. */
export function embedLua(): void

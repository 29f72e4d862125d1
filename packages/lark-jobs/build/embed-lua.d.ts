/** Embeds the Lua scripts into `src/store/redis/scripts.generated.ts`, and returns what is in it. */
export function embedLua(): {
  pieces: string[]
  scripts: Record<string, { sha1: string; pieces: number[] }>
}

/** Embeds the Lua scripts into `src/store/redis/scripts.generated.ts`, and returns the content of the file. */
export function embedLua(): Promise<{
  pieces: string[]
  scripts: Record<string, { sha1: string; pieces: number[] }>
}>

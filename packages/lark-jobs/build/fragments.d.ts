/** Puts the Lua scripts together. @returns the pieces of each */
export function assemble(files: ReadonlyMap<string, string>): Map<string, string[]>

/** Whether the file with this path is a fragment, and not a script. */
export function isFragment(path: string): boolean
/** Puts the Lua scripts together. @returns the pieces of each */
export function assemble(
  files: ReadonlyMap<string, string>,
  constants?: ReadonlyMap<string, string>,
): Map<string, string[]>

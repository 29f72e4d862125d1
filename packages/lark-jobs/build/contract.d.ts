/** The constants of the store contract, as Lua, by their names in capitals. */
export function luaConstants(): Promise<Map<string, string>>

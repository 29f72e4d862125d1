/**
 * Whether the embedded store prefers the `node:sqlite` of the running Node: its SQLite is 3.51.3 or newer.
 */
export const isSound: boolean
/** The path of a Node whose `node:sqlite` the embedded store prefers. The first call may install it. */
export function node24(): string

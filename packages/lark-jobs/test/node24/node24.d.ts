/** Whether the Node that runs is one: its SQLite is 3.51.3 or newer. */
export const isSound: boolean
/**
 * The path of a Node whose `node:sqlite` the embedded store prefers. With the first call it may be installed.
 */
export function node24(): string

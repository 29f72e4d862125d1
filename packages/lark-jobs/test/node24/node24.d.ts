/** Whether the Node that runs is one. */
export const isNode24: boolean
/** The path of a Node whose `node:sqlite` the embedded store prefers. With the first call it may be installed. */
export function node24(): string

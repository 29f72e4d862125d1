/**
 * Random choices of a role. They are not of the seed, which is only that of the faults.
 */
export const between = (from, to) => from + Math.floor(Math.random() * (to - from + 1))
export const pick = (list) => list[between(0, list.length - 1)]
/** Once in `of` times. */
export const chance = (of) => between(1, of) === 1

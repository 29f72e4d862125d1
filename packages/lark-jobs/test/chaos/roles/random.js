/**
 * Random choices of a role. The choices do not depend on the seed of the run, which determines only the
 * faults.
 */
export const between = (from, to) => from + Math.floor(Math.random() * (to - from + 1))
export const pick = (list) => list[between(0, list.length - 1)]
/** Returns true in one of `of` calls on average. */
export const chance = (of) => between(1, of) === 1

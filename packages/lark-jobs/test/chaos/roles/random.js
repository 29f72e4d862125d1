/** Random choices of a role. They do not depend on the seed, which only determines the faults. */
export const between = (from, to) => from + Math.floor(Math.random() * (to - from + 1))
export const pick = (list) => list[between(0, list.length - 1)]
/** True once in `of` times on average. */
export const chance = (of) => between(1, of) === 1

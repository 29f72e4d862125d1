/** Cuts a list into lots: one call takes, or one answer carries, no more than `most`. */
export function* inLots<T>(all: readonly T[], most: number): Generator<T[]> {
  for (let i = 0; i < all.length; i += most) yield all.slice(i, i + most)
}

/** Cuts a list into lots of at most `most`: the limit of one call or one answer. */
export function* inLots<T>(all: readonly T[], most: number): Generator<T[]> {
  for (let i = 0; i < all.length; i += most) yield all.slice(i, i + most)
}

/** Cuts a list into parts of at most `most` items, such as the limit of one call or of one answer. */
export function* inLots<T>(all: readonly T[], most: number): Generator<T[]> {
  for (let i = 0; i < all.length; i += most) yield all.slice(i, i + most)
}

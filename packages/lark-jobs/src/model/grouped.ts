/**
 * Collects pairs of a name and a value. The result maps each name to the list of its values. Names and values
 * keep the order of the pairs.
 */
export function grouped<T>(pairs: Iterable<readonly [name: string, value: T]>): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const [name, value] of pairs) {
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [value])
    else group.push(value)
  }
  return groups
}

/** Groups values by the name that `nameOf` returns for each value. */
export function groupedBy<T>(values: readonly T[], nameOf: (value: T) => string): Map<string, T[]> {
  return grouped(values.map((value) => [nameOf(value), value]))
}

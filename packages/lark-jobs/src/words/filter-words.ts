/**
 * Which jobs a filter chooses, in words: `of queue emails, tag vip since 1h where tenant is 7`.
 */
interface Conditions {
  all?: boolean
  since?: unknown
  where?: Readonly<Record<string, unknown>>
}

/** @param hidesValues of conditions on payloads: only their paths are told */
export function filterWords(filter: Readonly<Conditions>, hidesValues = false): string {
  const { all, since, where = {}, ...others } = filter
  const of = Object.entries(others).map(([name, value]) => `${name} ${value}`)
  const values = Object.entries(where).map(
    ([path, value]) => `${path} is ${hidesValues ? '…' : JSON.stringify(value)}`,
  )
  return [
    ...(all ? ['of every queue'] : of.length > 0 ? [`of ${of.join(', ')}`] : []),
    ...(since === undefined ? [] : [`since ${since instanceof Date ? since.toISOString() : since}`]),
    ...(values.length > 0 ? [`where ${values.join(' and ')}`] : []),
  ].join(' ')
}

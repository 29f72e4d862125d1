/**
 * Says in words which jobs a filter chooses: `of queue emails, tag vip since 2h until 1h where tenant is 7`.
 */
interface Conditions {
  all?: boolean
  since?: unknown
  until?: unknown
  where?: Readonly<Record<string, unknown>>
}

/** The conditions whose values the application may have made from payloads. */
const NAMED = ['group', 'tag']

/**
 * @param hides `payloads`: only the paths of conditions on payloads are named, not the values. `names`:
 *   groups and tags are left out as well
 */
export function filterWords(filter: Readonly<Conditions>, hides?: 'payloads' | 'names'): string {
  const { all, since, until, where = {}, ...others } = filter
  const of = Object.entries(others).map(
    ([name, value]) => `${name} ${hides === 'names' && NAMED.includes(name) ? '…' : value}`,
  )
  const values = Object.entries(where).map(
    ([path, value]) => `${path} is ${hides === undefined ? JSON.stringify(value) : '…'}`,
  )
  return [
    ...(all ? ['of every queue'] : of.length > 0 ? [`of ${of.join(', ')}`] : []),
    ...Object.entries({ since, until })
      .filter(([, at]) => at !== undefined)
      .map(([name, at]) => `${name} ${at instanceof Date ? at.toISOString() : at}`),
    ...(values.length > 0 ? [`where ${values.join(' and ')}`] : []),
  ].join(' ')
}

/**
 * Hides the parts of a payload that people must not see. The paths are stored with the job
 * (`options.redact`), so they are hidden everywhere, even without the class.
 */
/** What is shown instead of a part that is hidden. */
export const REDACTED = '[redacted]'

/**
 * @param paths such as `card.number` or `users.*.token`.
 * @returns a copy, if there is something to hide
 */
export function redacted(value: unknown, paths: readonly string[]): unknown {
  return paths.reduce((left, path) => hide(left, path.split('.')), value)
}

function hide(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return REDACTED
  if (typeof value !== 'object' || value === null) return value
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>
  // `Object.keys` names only the elements of a list, whereas `hasOwn` would also accept its `length`.
  for (const name of key === '*' ? Object.keys(copy) : [key])
    if (Object.prototype.propertyIsEnumerable.call(copy, name)) copy[name] = hide(copy[name], rest)
  return copy
}

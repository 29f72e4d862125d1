/**
 * Hides the parts of a payload that people must not see. The paths of these parts are stored with the job
 * (`options.redact`), so a process can hide the parts even if it does not know the job's class.
 */
/** The text that is shown instead of a hidden part. */
export const REDACTED = '[redacted]'

/**
 * @param paths such as `card.number` or `users.*.token`.
 * @returns a copy without the hidden parts, or `value` itself if nothing is hidden
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

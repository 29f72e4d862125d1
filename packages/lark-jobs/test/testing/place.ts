/** Formats an instant, to the minute. */
export function at(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16)
}

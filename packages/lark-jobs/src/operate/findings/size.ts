/** Formats a number of bytes for people. */
const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB']

/** A number of bytes with a decimal unit: `740 bytes`, `1.2 MB`. */
export function bytes(count: number): string {
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3))
  return `${Number((count / 1_000 ** power).toFixed(power === 0 ? 0 : 1))} ${units[power]}`
}

/** Puts numbers and times into words. Counts are not rounded. */
export function count(value: number): string {
  return value.toLocaleString('en')
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** The rate per second of something that was counted for a minute, such as `0.4/s` or `12/s`. */
export function rate(perMinute: number): string {
  const value = perMinute / 60
  return value === 0 ? '0' : value < 10 ? value.toFixed(1) : count(Math.round(value))
}

const units: readonly [unit: string, ms: number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
]

/** A duration in at most two units, such as `340 ms`, `4 min 5 s` or `3 h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1).replace(/\.0$/, '')} s`
  const first = units.findIndex(([, size]) => ms >= size)
  const [unit, size] = units[first]!
  const whole = Math.floor(ms / size)
  const [small, part] = units[first + 1] ?? ['', 0]
  const rest = part === 0 ? 0 : Math.floor((ms % size) / part)
  return rest === 0 || whole >= 10 ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${small}`
}

/** A duration in one unit, for an axis, such as `0.1 ms`, `2 s` or `1.5 h`. */
export function short(ms: number): string {
  const [unit, size] = units.find(([, size]) => ms >= size) ?? ['ms', 1]
  return `${Number((ms / size).toFixed(1))} ${unit}`
}

/** A share of a whole as a percentage, such as `0.4 %`. */
export function share(part: number, whole: number): string {
  if (whole === 0) return '–'
  const value = (part / whole) * 100
  return `${value === 0 || value >= 10 ? Math.round(value) : value < 0.1 ? '< 0.1' : value.toFixed(1)} %`
}

/** The size of a text, in words for people. */
export function bytes(value: number): string {
  if (value < 1_024) return `${value} B`
  if (value < 1_048_576) return `${(value / 1_024).toFixed(1)} KiB`
  return `${(value / 1_048_576).toFixed(1)} MiB`
}

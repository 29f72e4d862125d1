/**
 * A small line chart without axes. The chart has a zero line, and a gap where no value was measured. The last
 * part is dashed if its period is not over.
 */
const WIDTH = 120
const HEIGHT = 22

interface TrendProps {
  /** The values, in the order of time. A value that was not measured is undefined. */
  values: readonly (number | undefined)[]
  /** The description for people who cannot see the chart, such as `Runs a minute`. */
  title: string
  /** Whether the period of the last value is not over. */
  isOpen?: boolean
  /** The number of values for which the whole width has room. */
  points?: number
}

export function Trend({ values, title, isOpen = false, points = 60 }: TrendProps) {
  const shown = values.slice(-points)
  const most = Math.max(1, ...shown.map((value) => value ?? 0))
  const offset = points - shown.length
  const x = (i: number) => (((offset + i) / Math.max(1, points - 1)) * (WIDTH - 2) + 1).toFixed(1)
  const y = (value: number) => (HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1)
  const solid = isOpen ? shown.slice(0, -1) : shown
  let path = ''
  for (const [i, value] of solid.entries())
    if (value !== undefined) path += `${i > 0 && solid[i - 1] !== undefined ? 'L' : 'M'}${x(i)} ${y(value)}`
  const [before, last] = shown.slice(-2)
  const open =
    isOpen && before !== undefined && last !== undefined
      ? `M${x(shown.length - 2)} ${y(before)}L${x(shown.length - 1)} ${y(last)}`
      : undefined
  return (
    <svg
      class="trend"
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={title}
    >
      <title>{`${title}; at most ${most.toLocaleString('en')}`}</title>
      <line x1="1" x2={WIDTH - 1} y1={HEIGHT - 2} y2={HEIGHT - 2} class="trend-zero" />
      <path d={path} class="trend-line" />
      {open !== undefined && <path d={open} class="trend-line trend-open" />}
    </svg>
  )
}

/**
 * Makes the table of results. The table has a line for each figure, a column for each peer, and then columns
 * for the ratios of Lark's figure, for the target, and for whether the target is met.
 *
 * A figure is the median of its rounds. A ratio is the median of the ratios of all rounds, and not the ratio
 * of the medians: within one round, the machine was about equally busy for both peers. On a busy machine, one
 * peer becomes slower than another.
 */
import { median } from './statistics.js'

export function report(facts, sections, samples, peers) {
  return [heading(facts), ...sections.map((section) => table(section, samples, peers))]
    .filter(Boolean)
    .join('\n\n')
}

function heading({ date, machine, versions, rounds, far }) {
  const lines = [
    `Lark against its peers, ${date}: ${rounds === 1 ? 'one round' : `medians of ${rounds} rounds in turns`}`,
    machine,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  ]
  if (far !== undefined) lines.push(`1 ms away means that a PING takes ${far.toFixed(1)} ms`)
  return lines.join('\n')
}

function table({ title, against, measures }, samples, peers) {
  const measured = measures.filter(({ name }) => samples[name] !== undefined)
  if (measured.length === 0) return undefined
  const columns = [...peers.keys()].filter((peer) =>
    measured.some(({ name }) => samples[name][peer] !== undefined),
  )
  const samplesOf = (measure, peer, metric) => samples[measure]?.[peer]?.[metric] ?? []
  const rows = measured.flatMap(({ name, like = name, peers: [lark], rows }) =>
    rows.map(({ metric, label, unit, target }) => {
      const own = samplesOf(name, lark, metric)
      const ratios = against.map(({ peer, measure = like }) => ratio(own, samplesOf(measure, peer, metric)))
      return [
        `${label}, ${unit}`,
        ...columns.map((peer) => show(middle(samplesOf(name, peer, metric)), unit)),
        ...ratios.map(times),
        targetText(target, unit),
        verdict(target, middle(own), ratios),
      ]
    }),
  )
  const heads = [...columns.map((peer) => peers.get(peer).title), ...against.map((each) => each.title)]
  return align([[title, ...heads, 'target', ''], ...rows])
}

function targetText(target, unit) {
  if (target === undefined) return ''
  if (target.most !== undefined) return `≤ ${target.most} ${unit}`
  return target.times === undefined ? `≤ ${times(target.part)}` : `≥ ${times(target.times)}`
}

/**
 * Returns whether the target is met, in words, or an empty text if a figure is missing. If there are several
 * ratios, each of them must meet the target.
 */
function verdict(target, own, ratios) {
  if (target === undefined) return ''
  const { most, times, part } = target
  const known = most === undefined ? ratios.filter((each) => each !== undefined) : [own]
  if (known.length === 0 || known[0] === undefined) return ''
  return known.every((each) => (times === undefined ? each <= (most ?? part) : each >= times))
    ? 'met'
    : 'not met'
}

/** Returns the median of the ratios of all rounds in which both measurements succeeded. */
function ratio(own, others) {
  return middle(own.map((value, round) => value / others[round]).filter((each) => !Number.isNaN(each)))
}

/** Returns the median of the rounds that succeeded; undefined if all rounds failed. */
function middle(samples) {
  const known = samples.filter((sample) => sample !== undefined)
  return known.length === 0 ? undefined : median(known)
}

function show(value, unit) {
  if (value === undefined) return '–'
  if (unit === 'jobs/s' || value >= 1_000) return Math.round(value).toLocaleString('en')
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function times(ratio) {
  return ratio === undefined ? '' : `${ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2)}×`
}

/** Aligns the first column to the left, and all other columns to the right. */
function align(rows) {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)))
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

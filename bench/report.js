/** The table: a line a figure, a column a peer, then Lark's ratio to BullMQ, the target, and whether it is met. */
import { median } from './statistics.js'

export function report(facts, sections, samples, peers) {
  return [heading(facts), ...sections.map((section) => table(section, samples, peers))]
    .filter(Boolean)
    .join('\n\n')
}

function heading({ date, machine, versions, rounds, far }) {
  const lines = [
    `Lark against its peers, ${date}: ${rounds === 1 ? 'one round' : `medians of ${rounds} rounds, in turns`}`,
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
  const figure = (measure, peer, metric) => {
    const all = samples[measure]?.[peer]?.[metric]
    return all && median(all)
  }
  const rows = measured.flatMap(({ name, rows }) =>
    rows.map(({ metric, label, unit, target }) => {
      const own = figure(name, columns[0], metric)
      const ratios = against.map(({ peer, measure = name }) => own / figure(measure, peer, metric))
      return [
        `${label}, ${unit}`,
        ...columns.map((peer) => show(figure(name, peer, metric), unit)),
        ...ratios.map(times),
        targetText(target),
        target && !Number.isNaN(own) ? (isMet(target, own, ratios) ? 'met' : 'not met') : '',
      ]
    }),
  )
  const heads = [...columns.map((peer) => peers.get(peer).title), ...against.map((each) => each.title)]
  return align([[title, ...heads, 'target', ''], ...rows])
}

function targetText(target) {
  if (target === undefined) return ''
  if (target.most !== undefined) return `≤ ${target.most}`
  return target.times === undefined ? `≤ ${times(target.part)}` : `≥ ${times(target.times)}`
}

function isMet({ most, times, part }, own, ratios) {
  if (most !== undefined) return own <= most
  const known = ratios.filter((ratio) => !Number.isNaN(ratio))
  return times === undefined ? known.every((ratio) => ratio <= part) : known.every((ratio) => ratio >= times)
}

function show(value, unit) {
  if (value === undefined) return '–'
  if (unit === 'jobs/s' || value >= 1_000) return Math.round(value).toLocaleString('en')
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function times(ratio) {
  return Number.isNaN(ratio) ? '' : `${ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2)}×`
}

/** The first column to the left, the others to the right. */
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

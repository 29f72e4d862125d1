/**
 * Writes the message of a failed assertion. It says what the test expected, which dispatch is nearest and how
 * that dispatch differs, and it lists all dispatches, one on each line. Payloads are shortened, and their
 * hidden parts are not shown.
 */
import { nearest, visible } from '@s18i/lark/internal'
import type { Path } from '../model/flow.ts'
import { REDACTED, redacted } from '../operate/look/redacted.ts'
import { readable } from '../words/duration.ts'
import { listed } from '../words/listed.ts'
import { shown } from '../words/secret.ts'
import type { DispatchedFlow, DispatchedJob, DispatchedNode, Dispatches } from './dispatches.ts'
import type { Expectation } from './expectation.ts'
import { type Difference, differences, pathWords, valueAt } from './matching.ts'

/**
 * The maximum number of jobs, flows or schedules that a message lists, and of characters of a payload that it
 * shows.
 */
const LISTED = 20
const SHOWN = 100

export class Account {
  readonly #dispatches: Dispatches
  readonly #underway: number

  /** @param underway how many dispatches have no answer yet */
  constructor(dispatches: Dispatches, underway: number) {
    this.#dispatches = dispatches
    this.#underway = underway
  }

  /**
   * @param many how many jobs were found, in words
   * @param verb `was` or `were`
   * @param after the jobs that the expected job had to follow, for `assertOrder`
   */
  ofMissing(many: string, verb: string, expected: Expectation, after = ''): string {
    return lines([
      `${many} of ${this.#words(expected)} ${verb} dispatched${after === '' ? '' : ` after ${after}`}`,
      ...this.#nearest(expected),
      ...this.#all(),
    ])
  }

  ofUnexpected(expected: Expectation, found: readonly DispatchedJob[]): string {
    const [many, verb] = found.length === 1 ? ['a job', 'was'] : [`${found.length} jobs`, 'were']
    return lines([`${many} of ${this.#words(expected)} ${verb} dispatched`, ...this.#table(found)])
  }

  ofSomething(): string {
    return lines(['something was dispatched', ...this.#all(), ...this.#flows()])
  }

  /** @param words the expected flow, in words */
  ofFlow(words: string): string {
    const flows = this.#flows()
    return lines([
      `no ${words} was dispatched`,
      ...(flows.length > 0 ? flows : ['No flow was.']),
      ...this.#late(),
    ])
  }

  ofSchedule(id: string, match: unknown): string {
    const { schedules } = this.#dispatches
    const found = schedules.find((each) => each.id === id)
    if (found === undefined) {
      const ids = schedules.map((each) => each.id)
      const near = nearest(id, ids)
      return lines([
        `there is no schedule ${shown(id)}${near === undefined ? '' : `; did you mean '${near}'?`}`,
        ids.length > 0 ? `Set were ${listed(ids.slice(0, LISTED))}.` : 'None was set.',
      ])
    }
    return lines([`the schedule ${shown(id)} is another:`, ...misses(differences(match, found))])
  }

  #words({ name, key, match, conditions }: Expectation): string {
    const hidden = this.#hiddenOf(key)
    const parts = [match === undefined ? '' : ` with ${cut(redacted(match, hidden))}`]
    const said = Object.entries(conditions).filter(([, value]) => value !== undefined)
    if (said.length > 0)
      parts.push(` and ${said.map(([option, value]) => `${option} ${shown(value)}`).join(', ')}`)
    return name + parts.join('')
  }

  #hiddenOf(key: string): readonly string[] {
    return this.#dispatches.jobs
      .filter((job) => job.key === key)
      .flatMap((job) => this.#dispatches.hiddenIn(job))
  }

  /**
   * The dispatch of this class that differs least. If the class was not dispatched, the class that was
   * probably meant.
   */
  #nearest(expected: Expectation): string[] {
    const all = this.#dispatches.jobs.map((job) => {
      const { payload, options } = expected.misses(job)
      return { job, payload, options, count: payload.length + options.length + (job.rejection ? 0.5 : 0) }
    })
    const same = all.filter(({ job, count }) => job.key === expected.key && count > 0)
    const [first] = same.sort((one, other) => one.count - other.count)
    if (first === undefined) {
      const near = nearest(
        expected.key,
        new Set(this.#dispatches.jobs.map(({ key }) => key).filter((key) => key !== expected.key)),
      )
      return near === undefined ? [] : [`Did you mean ${this.#dispatches.nameOf(near)}?`]
    }
    const { job, payload, options } = first
    const why = job.rejection === undefined ? [] : [`  it was not queued: ${rejectionOf(job)}`]
    const seen = redacted(job.payload, this.#dispatches.hiddenIn(job))
    const isHidden = (path: Path) => JSON.stringify(valueAt(seen, path) ?? null).includes(REDACTED)
    const secret = { expected: REDACTED, actual: REDACTED }
    return [
      `The nearest: ${this.#row(job)
        .filter((part) => part !== '')
        .join('  ')}`,
      ...misses([
        ...payload.map(({ path, ...each }) => ({ path, ...(isHidden(path) ? secret : each) })),
        ...options,
      ]),
      ...why,
    ]
  }

  #all(): string[] {
    const { jobs } = this.#dispatches
    if (jobs.length === 0) return ['Nothing was dispatched.', ...this.#late()]
    return [
      `${jobs.length === 1 ? '1 job was' : `${jobs.length} jobs were`} dispatched:`,
      ...this.#table(jobs),
      ...this.#late(),
    ]
  }

  #late(): string[] {
    if (this.#underway === 0) return []
    const many = this.#underway === 1 ? '1 dispatch has' : `${this.#underway} dispatches have`
    return [`${many} no answer yet: await it, or Jobs.flush(), before the assertion.`]
  }

  #table(jobs: readonly DispatchedJob[]): string[] {
    const rows = jobs.slice(0, LISTED).map((job) => this.#row(job))
    const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? []
    const more = jobs.length > LISTED ? [`  … and ${jobs.length - LISTED} more`] : []
    return [
      ...rows.map((row) =>
        `  ${row.map((part, column) => part.padEnd(widths[column]!)).join('  ')}`.trimEnd(),
      ),
      ...more,
    ]
  }

  #row(job: DispatchedJob): string[] {
    const { key, queue, payload, delay, priority, rejection, node } = job
    const notes = [
      ...(delay > 0 ? [`in ${readable(delay)}`] : []),
      ...(priority !== 0 ? [`priority ${priority}`] : []),
      ...(node !== undefined ? [`node ${visible(node)}`] : []),
      ...(rejection !== undefined ? [`rejected: ${rejectionOf(job)}`] : []),
    ]
    const text = payload === undefined ? '' : cut(redacted(payload, this.#dispatches.hiddenIn(job)))
    return [visible(this.#dispatches.nameOf(key)), visible(queue), text, notes.join(', ')]
  }

  #flows(): string[] {
    const { flows } = this.#dispatches
    const nameOf = (key: string) => this.#dispatches.nameOf(key)
    const words = flows.slice(0, LISTED).map((flow) => `  ${visible(flowWords(flow, nameOf))}`)
    if (flows.length === 0) return []
    return [`${flows.length === 1 ? '1 flow was' : `${flows.length} flows were`} dispatched:`, ...words]
  }
}

function rejectionOf({ rejection }: DispatchedJob): string {
  const { reason, by } = rejection!
  return by === undefined ? reason : `${reason}, because of ${visible(by)}`
}

/**
 * The words for a flow: `chain Fetch → Resize`, `batch 'import' of 3 ImportRowJob`, or `workflow 'order' {
 * ChargeJob, PackJob after ChargeJob }`.
 */
function flowWords(
  { kind, name, nodes, members }: Omit<DispatchedFlow, 'id'>,
  nameOf: (key: string) => string,
): string {
  const wordOf = ({ key, flow }: DispatchedNode): string =>
    key === undefined ? `(${flowWords(flow!, nameOf)})` : nameOf(key)
  const own = nodes.filter(({ on }) => on === undefined)
  const callbacks = nodes
    .flatMap((node) => (node.on === undefined ? [] : [`, ${wordOf(node)} when ${node.on}`]))
    .join('')
  const called = name === undefined ? kind : `${kind} '${name}'`
  if (kind === 'chain') return `${called} of ${own.map(wordOf).join(' → ')}${callbacks}`
  if (kind === 'batch') {
    const keys = [...new Set(members.map(({ key }) => nameOf(key)))]
    return `${called} of ${members.length} ${listed(keys)}${callbacks}`
  }
  const words = own.map((node) => {
    const after = node.after.length > 0 ? ` after ${listed([...node.after])}` : ''
    return `${node.name}${after}`
  })
  return `${called} of ${words.join('; ')}${callbacks}`
}

/** One line for each difference, in aligned columns. */
function misses(all: readonly Difference[]): string[] {
  const rows = all.slice(0, LISTED).map(({ path, expected, actual }) => {
    const is = actual === REDACTED ? REDACTED : cut(actual)
    return [pathWords(path) || 'the payload', `is ${is}`, `expected: ${expected}`]
  })
  const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)))
  return rows.map(([path, is, must]) => `  ${path!.padEnd(widths[0]!)}  ${is!.padEnd(widths[1]!)}  ${must}`)
}

function cut(value: unknown): string {
  const text = shown(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}

function lines(all: readonly string[]): string {
  return all.join('\n')
}

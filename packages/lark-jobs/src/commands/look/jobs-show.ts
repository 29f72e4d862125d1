import { arg, Command, flag } from '@s18i/lark'
import { defined, visible, visibleLines } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { isForEver } from '../../model/journal.ts'
import type { JobError, LogLine } from '../../model/record.ts'
import { partsOf } from '../../model/run/job-error.ts'
import { type FlowOfJob, type JobDetail, type JobSteps, operate, type Reason } from '../../operate.ts'
import { isOwn, readNeed } from '../../options/limiter.ts'
import { readable } from '../../words/duration.ts'
import { plural } from '../../words/plural.ts'
import { called, noJob } from '../flows/flow-words.ts'
import { completed } from '../words/completed.ts'
import { fromNow } from '../words/instant.ts'
import { jsonExcerpt } from '../words/json-excerpt.ts'
import { commandFor } from '../words/remedy-commands.ts'
import { printSection, printSheet, type SheetFacts } from '../words/sheet.ts'
import { damagedWords, signalRow, stepRow } from '../words/step-words.ts'

/** How many of the last steps are shown. */
const LAST_STEPS = 20
/** The maximum number of characters of a damaged field that are shown. */
const MOST = 2_000

/** `lark jobs:show`: shows everything that the store knows about one job. */
export class JobsShowCommand extends Command {
  readonly key = 'jobs:show'
  override description = 'Show a job: its payload, its attempts and their errors, its log'
  id = arg.string('The id of the job')
  queue = flag.string('The queue of the job, if several queues have a job with this id')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    await using jobs = Jobs
    const { id, queue } = this
    const operating = operate(jobs)
    const job = await operating.find(id, defined({ queue }))
    if (job === undefined) throw await noJob(operating, id)
    const flow = await operating.flows.ofJob(id)
    // The record of an ended job already says why the job ended, so the reasons are not read.
    const why = job.finishedAt === undefined ? await operating.why(id, { queue: job.queue }) : undefined
    const reasons = why?.reasons
    const steps = await operating.steps.list(id, { queue: job.queue })
    if (this.json) return { ...job, ...defined({ flow, reasons, steps }) }
    this.#print(job, flow, reasons)
    if (steps !== undefined) this.#steps(steps)
  }

  #print(job: JobDetail, flow?: FlowOfJob, reasons?: readonly Reason[]): void {
    printSheet(this, job.key, job.id, facts(job, flow, reasons))
    this.#json('Payload', job.payload)
    if (job.options?.context !== undefined) this.#json('Context', job.options.context)
    if (job.progress !== undefined) this.#json('Progress', job.progress)
    if (job.result !== undefined) this.#json('Result', job.result)
    const errors = job.errors.flatMap((error, i) => errorLines(error, i === job.errors.length - 1))
    if (errors.length > 0) printSection(this, 'Errors', errors)
    if (job.log.length > 0) printSection(this, 'Log', job.log.flatMap(logLines))
  }

  #steps({ steps, signals, damaged }: JobSteps): void {
    const lines = inColumns(steps.slice(-LAST_STEPS).map(stepRow))
    const more = steps.length - lines.length
    if (more > 0) lines.unshift(`… ${plural(more, 'step')} before: lark jobs:steps ${visible(this.id)}`)
    if (damaged !== undefined) lines.push(damagedWords(damaged))
    if (lines.length > 0) printSection(this, 'Steps', lines)
    const kept = signals.filter(({ isTaken }) => !isTaken)
    if (kept.length > 0) printSection(this, 'Signals that it has not taken', inColumns(kept.map(signalRow)))
  }

  #json(title: string, value: unknown): void {
    const json = JSON.stringify(value) ?? 'none'
    const { lines, isCut } = jsonExcerpt(json)
    printSection(this, title, lines.map(visible))
    if (!isCut) return
    const size = Buffer.byteLength(json).toLocaleString('en')
    this.line(
      `  … the beginning of ${size} bytes; lark jobs:show ${visible(this.id)} --json prints all of them`,
    )
  }
}

/** Formats rows as lines, with the cells in columns. */
function inColumns(rows: readonly string[][]): string[] {
  const cells = rows.map((row) => row.map(visible))
  const widths = cells[0]?.map((_, i) => Math.max(...cells.map((row) => row[i]!.length))) ?? []
  return cells.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
}

function facts(
  job: JobDetail,
  flow: FlowOfJob | undefined,
  reasons: readonly Reason[] | undefined,
): SheetFacts {
  const { state, reason, undoing, queue, partition, priority, runs, failures, crashes, releases } = job
  const note = undoing ? 'undoing' : reason
  const { parent } = job.options ?? {}
  const { group, limiter, holder, because, unreadable } = job
  const ended = { failed: failures, crashed: crashes, released: releases }
  const parts = Object.entries(ended).flatMap(([what, count]) => (count > 0 ? [`${count} ${what}`] : []))
  return {
    State: note === undefined ? state : `${state} (${note})`,
    Why: reasons && whyWords(job.id, reasons),
    Queue: priority === 0 ? queue : `${queue}, priority ${priority}`,
    Partition: partition !== queue && partition,
    Group: group,
    Tags: job.options?.tags?.join(', '),
    Parent: parent && `${parent.id}, on ${parent.queue}`,
    Flow: parent === undefined && flow && flowWords(flow),
    Limiter: limiter && limiterWords(limiter),
    Queued: time(job.queuedAt),
    Due:
      (state === 'delayed' || state === 'waiting') &&
      !isForEver((job.dueAt ?? 0) - Date.now()) &&
      time(job.dueAt),
    Claimed: state === 'active' && time(job.claimedAt),
    Ended: time(job.finishedAt),
    'Held by': holder,
    'Put back': state !== 'cancelled' && because,
    Because: state === 'cancelled' && because,
    Edited: time(job.options?.editedAt),
    Format: unreadable?.kind === 'marked' && `${unreadable.mark}, which this version does not read`,
    Damaged: unreadable?.kind === 'damaged' && damage(unreadable),
    Runs: parts.length === 0 ? `${runs}` : `${runs} (${parts.join(', ')})`,
  }
}

/** The first reason, and the command that shows the other reasons. */
function whyWords(id: string, [first, ...more]: readonly Reason[]): string | undefined {
  if (first === undefined || (first.kind === 'running' && first.askedAt === undefined)) return undefined
  return more.length === 0
    ? first.text
    : `${first.text} (and ${more.length} more: ${commandFor({ do: 'see-why', job: id })})`
}

/** The words for the flow of a job, such as `workflow order (0Vr5kPq3Zx1aB), node charge`. */
function flowWords(flow: FlowOfJob): string {
  const { node, member, retries } = flow
  const part = member === undefined ? `node ${node}` : `member ${member}`
  return `${called(flow)}, ${part}${retries === undefined ? '' : `, retry ${retries}`}`
}

/** The beginning of a damaged field. (Only `--json` prints the whole field.) */
function damage({ field, text }: { field: string; text: string }): string {
  return `${field}: ${text.length > MOST ? `${text.slice(0, MOST)}…` : text}`
}

function limiterWords(limiter: string): string {
  const { name, weight } = readNeed(limiter)
  const of = isOwn(name) ? 'of its class' : name
  return weight === 1 ? of : `${of}, ${weight} permits`
}

function time(at: number | undefined): string | undefined {
  if (at === undefined) return undefined
  const text = new Date(at).toISOString().replace('T', ' ').replace('Z', ' UTC')
  return `${text} (${fromNow(at)})`
}

/**
 * The messages and causes of each attempt. Stacks are shown only for the last attempt, because the stacks of
 * the other attempts are mostly the same.
 */
function errorLines(failed: JobError, isLast: boolean): string[] {
  const { run, took } = failed
  const title = `Run ${run}${took === undefined ? '' : `, after ${readable(took)}`}`
  return [...partsOf(failed, title)].flatMap(({ error, title, depth }) => {
    const { name, message, code, stack } = error
    const indent = '  '.repeat(depth)
    const head = `${title}: ${name}${code === undefined ? '' : ` ${code}`}${message === '' ? '' : `: ${message}`}`
    const frames = isLast ? (stack?.split('\n').filter((each) => /^\s+at /.test(each)) ?? []) : []
    return [...underFirst(head, ''), ...frames.map(visible)].map((line) => indent + line)
  })
}

function logLines({ at, level, text }: LogLine): string[] {
  const head = `${new Date(at).toISOString().slice(11, 23)}  ${level.padEnd(7)}  `
  return underFirst(`${head}${text}`, ' '.repeat(head.length))
}

/**
 * The lines of a text. Each line after the first begins with a bar, so that it does not look like another
 * error or log line.
 */
function underFirst(text: string, indent: string): string[] {
  return visibleLines(text).map((line, i) => (i === 0 ? line : `${indent}│ ${line}`))
}

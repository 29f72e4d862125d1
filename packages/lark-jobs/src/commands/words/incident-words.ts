/**
 * An incident in the words of a terminal: what stands still or fails, since when, why, what changed before,
 * and the first command that helps.
 */
import { defined, visible } from '@s18i/lark/internal'
import { oneOf } from '../../model/blocked-loop.ts'
import type { Incident, IncidentFailure, QueueIncident } from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { pausedWords } from '../../words/paused-words.ts'
import { plural } from '../../words/plural.ts'
import { ago, instant } from './instant.ts'
import { commandFor, inCommands } from './remedy-commands.ts'

const marks = { error: '✗', warning: '!' } as const

/** The maximum number of incidents that are printed. */
const MOST = 10
/** The maximum number of characters of an error message that are printed. */
const LONGEST = 200

type Words = (incident: QueueIncident) => string

const what: Record<QueueIncident['kind'], Words> = {
  damaged: () => 'has data that Lark did not write',
  still: () => 'stands still',
  stranded: ({ jobs }) => `has ${plural(jobs, 'job')} that no worker could read`,
  late: ({ oldest = 0, target = 0 }) =>
    `is late: its oldest job waits for ${readable(oldest)}, and its target is ${readable(target)}`,
  failing: ({ jobs, of = 0 }) =>
    `fails: ${jobs.toLocaleString('en')} of ${plural(of, 'run')} failed for good within 5 minutes`,
  retrying: ({ jobs, of = 0 }) =>
    `fails: ${jobs.toLocaleString('en')} of ${plural(of, 'run')} failed within 5 minutes, and are tried again`,
  paused: ({ pause = {} }) => `is paused${pausedWords(pause, Date.now())}`,
}

/** The sentences that describe an incident, one for each line, without the command that helps. */
export function incidentLines(incident: Incident): string[] {
  if (incident.kind === 'finding') return [`${incident.subject}: ${incident.text}`]
  const { kind, queue, since, jobs } = incident
  const when = since === undefined ? '' : `, since ${instant(since)} (${ago(since)})`
  const wait = ['still', 'late', 'paused'].includes(kind)
    ? `: ${plural(jobs, 'job')} ${jobs === 1 ? 'waits' : 'wait'}`
    : ''
  return [`${queue} ${what[kind](incident)}${when}${wait}`, ...whyLines(incident)]
}

function whyLines({ because, blocked, failure, release, died }: QueueIncident): string[] {
  const lines: string[] = []
  if (blocked !== undefined)
    lines.push(
      `${oneOf(blocked.by)} blocks the process of worker ${blocked.worker} since ${instant(blocked.since)}`,
    )
  if (because !== undefined) lines.push(because.text)
  if (failure !== undefined) lines.push(...failureLines(failure))
  if (release !== undefined)
    lines.push(`Release ${release.name} began ${instant(release.at)} (${ago(release.at)})`)
  if (died !== undefined)
    lines.push(
      `${died.count === 1 ? 'A worker' : `${died.count} workers`} of it died, the last one on ${died.host}, last seen ${ago(died.at)}: ${died.worker}`,
    )
  return lines
}

function failureLines({ key, name, message, count, of, first, releases }: IncidentFailure): string[] {
  const text = message.length > LONGEST ? `${message.slice(0, LONGEST)}…` : message
  const where = releases.length === 0 ? '' : `, in release ${releases.slice(0, 3).join(', ')}`
  const began = first === undefined ? '' : `, the first ${instant(first)}`
  const many = of === 1 ? '' : `${count.toLocaleString('en')} of ${of.toLocaleString('en')}: `
  return [`${many}${key} throws ${name}: ${text}${began}${where}`]
}

/** The first command that helps. */
export function incidentAction(incident: Incident): string | undefined {
  if (incident.kind !== 'finding') return commandFor(incident.action)
  return incident.advice === undefined ? undefined : inCommands(incident.advice)
}

/** The lines of all incidents. @param paint colours a mark */
export function incidentsInLines(
  incidents: readonly Incident[],
  paint: (colour: 'red' | 'yellow', text: string) => string,
): string[] {
  const lines = incidents.slice(0, MOST).flatMap((incident) => {
    const [head = '', ...more] = incidentLines(incident)
    const colour = incident.level === 'error' ? 'red' : 'yellow'
    const action = incidentAction(incident)
    const rest = action === undefined ? more : [...more, `→ ${action}`]
    return [
      `${paint(colour, marks[incident.level])} ${visible(head)}`,
      ...rest.map((line) => `  ${visible(line)}`),
    ]
  })
  const left = incidents.length - MOST
  return left > 0 ? [...lines, `  ${left} more: see --json`] : lines
}

/**
 * An incident in the form for scripts: its remedies are commands, and `text` describes the incident in one
 * text.
 */
export function writtenIncident(incident: Incident) {
  const text = incidentLines(incident).join('. ')
  const action = incidentAction(incident)
  if (incident.kind === 'finding') {
    const { advice: _, text: __, ...rest } = incident
    return { ...rest, text, ...defined({ action }) }
  }
  const { because, ...rest } = incident
  return { ...rest, text, action, ...(because && { because: because.text }) }
}

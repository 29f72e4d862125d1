/**
 * Formats an account for people.
 */
import { fitRows } from '../../../lark/src/console/table.ts'
import type { Account, Row } from './accountant.ts'
import { type Finding, type Rule, rules } from './rules.ts'

/** How many findings of one rule are shown. */
const SHOWN = 8

export function tableOf(rows: readonly Row[]): string[] {
  const head = ['fault', 'times', 'in flight', 'refused', 'uncertain', 'lost', 'recovered, ms', 'second runs']
  const lines = fitRows(
    head,
    rows.map(({ fault, times, inFlight, refused, uncertain, lost, recovered, again }) => [
      fault,
      times,
      inFlight,
      refused,
      uncertain,
      lost,
      recovered ?? '–',
      Object.entries(again)
        .map(([cause, count]) => `${count} (${cause})`)
        .join(', ') || '0',
    ]),
    Number.POSITIVE_INFINITY,
  )
  return lines.flat()
}

export function summaryOf(account: Account): string[] {
  const { asked, kept, flows, arrived, lost, runs, steps, crashes, told, limits, findings } = account
  const { accepted, met, refused, uncertain, unanswered } = asked
  const { completed, failed, left } = kept
  const isEven = accepted + arrived === completed + failed + left + lost
  return [
    `dispatched   ${accepted} accepted, ${met} met another of their kind, ${refused} refused, ${uncertain} uncertain, ${unanswered} unanswered (their dispatcher was killed)`,
    `accounted    ${accepted} accepted + ${arrived} uncertain or unanswered that arrived ${isEven ? '=' : '≠'} ${completed} completed + ${failed} failed + ${left} left + ${lost} lost`,
    `flows        ${flows.asked.accepted} accepted, ${flows.asked.refused} refused, ${flows.asked.uncertain} uncertain, ${flows.asked.unanswered} unanswered: ${flows.kept.completed} completed, ${flows.kept.failed} failed, ${flows.kept.cancelled} cancelled, ${flows.kept.left} left by a dead dispatcher, ${flows.lost} lost`,
    `             touched while they ran, or after: ${flows.touched.cancel} cancelled, ${flows.touched.retry} started again, ${flows.touched.add} times something was added`,
    `             ${flows.jobs} jobs and ${flows.callbacks} callbacks; after failovers that lost writes, ${flows.doubled} callbacks ended twice, and in ${new Set(flows.deviations.map(({ who }) => who)).size} flows something is not as their jobs say`,
    ...flows.deviations
      .slice(0, SHOWN)
      .map(({ rule, who, text }) => `               ${rule}, ${who}: ${text}`),
    `run          ${runs} times; ${crashes} crashes counted; ${told} handlers told that their lease was lost`,
    `steps        ${steps.called} calls, ${steps.again} of them again; ${steps.undone} undone`,
    ...limits.map(
      ({ queue, most, highest, looks }) =>
        `limit        ${highest} of ${queue} active at most, of ${most}, in ${looks} looks`,
    ),
    `promises     ${findings.length === 0 ? 'all kept' : `BROKEN, ${findings.length} findings`}`,
    ...[...byRule(findings)].flatMap(([rule, of]) => [
      `  ${of.length} × ${rule}: ${rules[rule]}`,
      ...of.slice(0, SHOWN).map(({ who, text }) => `      ${who}: ${text}`),
      ...(of.length > SHOWN ? [`      … and ${of.length - SHOWN} more`] : []),
    ]),
  ]
}

function byRule(findings: readonly Finding[]): Map<Rule, Finding[]> {
  const sorted = new Map<Rule, Finding[]>()
  for (const finding of findings) {
    const of = sorted.get(finding.rule)
    if (of === undefined) sorted.set(finding.rule, [finding])
    else of.push(finding)
  }
  return sorted
}

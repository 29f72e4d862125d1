/** Converts the records of steps to the form that the scripts read (`recording.lua`). */
import type { Recorded } from '../../../model/journal.ts'
import type { StepsNote } from '../../contract/store.ts'

/**
 * No entry contains these characters: names must not contain them (`step/name.ts`), and JSON text has them
 * only as `\u001d` and `\u001e`.
 */
const [GS, RS] = ['\x1d', '\x1e']

/** The steps that a run has recorded when it ends, in the form that `recording.lua` reads. */
export function packSteps(steps: Recorded | undefined): string {
  if (steps === undefined) return ''
  let text = `${GS}${packHead(steps, '')}`
  for (const entry of steps.entries) text += `${RS}${entry}`
  return `${text}${GS}`
}

function packHead({ at, isProgress, hasUndos }: Recorded, heard: number | ''): string {
  return `${at}${isProgress ? '!' : ''}${hasUndos ? '+' : ''}|${heard}`
}

const nothing: Recorded = { at: 0, entries: [] }

/** The arguments of `record.lua`. */
export function packRecords(notes: readonly StepsNote[]): string[] {
  const args: string[] = []
  for (const { id, token, steps = nothing, heard = '' } of notes) {
    const isPlain = !steps.isProgress && !steps.hasUndos && heard === ''
    args.push(id, token, String(steps.entries.length), isPlain ? String(steps.at) : packHead(steps, heard))
    args.push(...steps.entries)
  }
  return args
}

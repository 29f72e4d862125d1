/** Converts journals in the form in which scripts return them (`journal.lua`) to records. */
import { defined } from '@s18i/lark/internal'
import type { Journal, KeptSignal } from '../../../model/journal.ts'
import { inLots } from '../../contract/rules/in-lots.ts'
import type { Recording } from '../../contract/store.ts'

/**
 * A journal as scripts return it: the number of entries, their bytes, and some of the entries; a name and a
 * text for each signal; the text about the undos; and how long the job was suspended.
 */
export type ReadJournal = [
  written: (number | string)[],
  signals: string[],
  undo?: string | null,
  rested?: number,
]

export function readJournal([[count, bytes, ...entries], signals, undo, rested]: ReadJournal): Journal {
  const size = { count: Number(count), bytes: Number(bytes) }
  const more = defined({ undo: undo ?? undefined, rested })
  return { ...size, entries: entries as string[], signals: readSignals(signals), ...more }
}

/** Reads the answer of `record.lua`. */
export function readRecording(reply: unknown): Recording {
  if (reply === '') return { lost: [] }
  const [lost, told, short] = reply as [string[], (string | string[])[], [id: string, count: number][]]
  const signals = [...inLots(told, 2)].map(([id, found]) => {
    return { id: id as string, signals: readSignals(found as string[]) }
  })
  return {
    lost,
    ...(short.length > 0 && { short: short.map(([id, count]) => ({ id, count })) }),
    ...(signals.length > 0 && { signals }),
  }
}

/** @param found a name and a text for each signal */
function readSignals(found: readonly string[]): KeptSignal[] {
  return [...inLots(found, 2)].map(([name, text]) => ({ name: name!, text: text! }))
}

/**
 * Reads the answer of `journal-read.lua`. The signals have the form in which they are stored: the name, a
 * line break, the key or '', the character US, and the text.
 */
export function readWholeJournal([written, signals, ...more]: ReadJournal): Journal {
  const read = signals.map((signal) => {
    const at = signal.indexOf('\x1f')
    const [name = '', key] = signal.slice(0, Math.max(0, at)).split('\n')
    return { name, text: signal.slice(at + 1), ...(key && { key }) }
  })
  return { ...readJournal([written, [], ...more]), signals: read }
}

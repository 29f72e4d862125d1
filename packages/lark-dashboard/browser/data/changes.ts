/** Changes that the viewer makes, the notices about them, and how to undo them. */
import { signal } from '@preact/signals'
import type { ActionName } from '../../src/server/actions.ts'
import type { CallError, Input, Output } from './call.ts'
import { change } from './change.ts'

/** Milliseconds for which a change can be undone. */
const UNDOABLE = 8_000
/** Milliseconds for which other notices stay. */
const SHOWN = 5_000

export interface Notice {
  id: number
  text: string
  isBad: boolean
  undo?: () => void
}

export const notices = signal<readonly Notice[]>([])
/** Increases with each change, so that pages ask the server again. */
export const changed = signal(0)
let last = 0

/**
 * Makes a change, and shows a notice about its result.
 *
 * @param words makes the text of the notice from the answer
 * @returns undefined if the change was refused. In this case a notice has shown the reason
 */
export async function make<Name extends ActionName>(
  name: Name,
  input: Input<Name>,
  words: (answer: Output<Name>) => string,
): Promise<Output<Name> | undefined> {
  try {
    const answer = await change(name, input)
    const { undo } = (answer ?? {}) as { undo?: string }
    notify({
      text: words(answer),
      isBad: false,
      ...(undo !== undefined && { undo: () => void takeBack(undo) }),
    })
    changed.value++
    return answer
  } catch (error) {
    tellWhy(error as CallError)
    return undefined
  }
}

/** Shows a notice with the reason why a request was refused. */
export function tellWhy({ message, hint }: CallError): undefined {
  notify({ text: hint === undefined ? message : `${message}. ${hint}`, isBad: true })
}

export function notify(notice: Omit<Notice, 'id'>): void {
  const id = ++last
  notices.value = [...notices.value.slice(-3), { ...notice, id }]
  setTimeout(() => dismiss(id), notice.undo === undefined ? SHOWN : UNDOABLE)
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id)
}

/** Undoes the last change that can still be undone. */
export function undoLast(): void {
  const notice = notices.value.findLast(({ undo }) => undo !== undefined)
  if (notice === undefined) return
  dismiss(notice.id)
  notice.undo?.()
}

async function takeBack(undo: string): Promise<void> {
  await make('undo', { undo }, ({ undone, left }) =>
    left === 0 ? 'Undone' : `${undone} undone; ${left} had begun or changed since, and stay`,
  )
}

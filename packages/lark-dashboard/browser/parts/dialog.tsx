/**
 * A dialog. The dialog takes the keyboard focus, keeps the focus while it is open, and gives the focus back
 * when it closes.
 */
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { count } from './numbers.ts'

/**
 * Before a dangerous change of more jobs than this in production, the viewer must type the number of jobs.
 */
const MANY = 1_000

interface DialogProps {
  title: string
  onClose(): void
  children: ComponentChildren
  isWide?: boolean
}

export function Dialog({ title, onClose, children, isWide = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const name = useId()
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    dialog.current?.showModal()
    return () => before?.focus?.()
  }, [])
  return (
    <dialog
      ref={dialog}
      class={isWide ? 'dialog dialog-wide' : 'dialog'}
      aria-labelledby={name}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <div class="dialog-body">
        <h2 id={name}>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}

interface QuestionProps {
  title: string
  /** The text of the button, such as `Remove 312 jobs`. */
  verb: string
  isDangerous?: boolean
  /** How many jobs the change concerns. */
  jobs?: number
  onAnswer(yes: boolean): void
  children?: ComponentChildren
}

/** Asks before a change that destroys data, or that concerns many jobs. */
export function Question({ title, verb, isDangerous = false, jobs = 0, onAnswer, children }: QuestionProps) {
  const [typed, type] = useState('')
  const mustType = isDangerous && jobs > MANY && isProduction()
  return (
    <Dialog title={title} onClose={() => onAnswer(false)}>
      {children}
      {mustType && (
        <label>
          This is {document.documentElement.dataset.environment}. To go on, type {count(jobs)}:{' '}
          <input
            inputMode="numeric"
            size={10}
            value={typed}
            onInput={(event) => type(event.currentTarget.value)}
          />
        </label>
      )}
      <div class="dialog-buttons">
        <button type="button" onClick={() => onAnswer(false)}>
          Go back
        </button>
        <button
          type="button"
          class={isDangerous ? 'danger' : 'main'}
          disabled={mustType && typed.replace(/\D/g, '') !== String(jobs)}
          onClick={() => onAnswer(true)}
        >
          {verb}
        </button>
      </div>
    </Dialog>
  )
}

/** Whether the environment of this dashboard has a name like `production` or `prod`. */
function isProduction(): boolean {
  return /^prod/i.test(document.documentElement.dataset.environment ?? '')
}

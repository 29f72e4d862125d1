/** A dialog. It takes the keyboard focus, keeps it while it is open, and gives it back when it closes. */
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

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
  onAnswer(yes: boolean): void
  children?: ComponentChildren
}

/** Asks before a change that cannot be undone. */
export function Question({ title, verb, isDangerous = false, onAnswer, children }: QuestionProps) {
  return (
    <Dialog title={title} onClose={() => onAnswer(false)}>
      {children}
      <div class="dialog-buttons">
        <button type="button" onClick={() => onAnswer(false)}>
          Keep as it is
        </button>
        <button type="button" class={isDangerous ? 'danger' : 'main'} onClick={() => onAnswer(true)}>
          {verb}
        </button>
      </div>
    </Dialog>
  )
}

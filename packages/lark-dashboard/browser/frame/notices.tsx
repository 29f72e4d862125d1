/**
 * What the viewer is told of their changes, with the way back for some seconds.
 */
import { dismiss, notices } from '../data/changes.ts'
import { Icon } from '../parts/icon.tsx'

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map(({ id, text, isBad, undo }) => (
        <div key={id} class={isBad ? 'notice notice-bad' : 'notice'}>
          <span class="notice-text">{text}</span>
          {undo !== undefined && (
            <button
              type="button"
              onClick={() => {
                dismiss(id)
                undo()
              }}
            >
              Undo <kbd>u</kbd>
            </button>
          )}
          <button type="button" class="plain" title="Close" aria-label="Close" onClick={() => dismiss(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  )
}

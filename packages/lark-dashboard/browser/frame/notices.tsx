/** The notices about the viewer's changes, with an undo button for some seconds. */

import { goingOn, stop } from '../data/change.ts'
import { dismiss, notices } from '../data/changes.ts'
import { Icon } from '../parts/icon.tsx'
import { count } from '../parts/numbers.ts'

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {goingOn.value.map(({ id, done, found, isEnding }) => (
        <div key={id} class="notice">
          <span class="notice-text" aria-live="off">
            {isEnding ? 'Ending: ' : 'Working: '}
            {found === 0 ? 'looking for the jobs …' : `${count(done)} of ${count(found)} jobs`}
          </span>
          <button type="button" disabled={isEnding} onClick={() => stop(id)}>
            Stop
          </button>
        </div>
      ))}
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

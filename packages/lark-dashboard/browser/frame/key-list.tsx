/** The list of the keyboard shortcuts. */
import { Dialog } from '../parts/dialog.tsx'
import { areKeysOn, isListOpen, pageKeys, switchKeys } from './keys.ts'
import { shownPlaces } from './places.ts'

export function KeyList() {
  const general: [string, string][] = [
    ['/', 'Search and commands'],
    ['j k', 'Next row, row before'],
    ['Enter', 'Open the row'],
    ['u', 'Undo the last change'],
    ['?', 'This list'],
    ...shownPlaces.value.map(({ key, title }): [string, string] => [`g ${key}`, title]),
    ...pageKeys.value.map(({ key, title }): [string, string] => [key, title]),
  ]
  return (
    <Dialog title="Keys" onClose={() => (isListOpen.value = false)}>
      <dl class="facts">
        {general.map(([key, title]) => (
          <>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{title}</dd>
          </>
        ))}
      </dl>
      <label>
        <input type="checkbox" checked={areKeysOn.value} onChange={switchKeys} /> Keys are on. <kbd>?</kbd>{' '}
        always works.
      </label>
    </Dialog>
  )
}

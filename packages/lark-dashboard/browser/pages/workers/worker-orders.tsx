/** The orders that can be given to workers: to take no more jobs, to go on, and to restart. */
import type { WorkerFilter, WorkerRecord } from '@s18i/lark-jobs/operate'
import { useState } from 'preact/hooks'
import { make } from '../../data/changes.ts'
import { may } from '../../data/viewer.ts'
import { Question } from '../../parts/dialog.tsx'
import { plural } from '../../parts/numbers.ts'

interface WorkerOrdersProps {
  filter: WorkerFilter
  /** The workers that the filter chooses. */
  workers: readonly WorkerRecord[]
  /** The chosen workers in words, for a title: `the workers of web-3`. */
  what: string
}

export function WorkerOrders({ filter, workers, what }: WorkerOrdersProps) {
  const [isAsked, ask] = useState(false)
  const have = (state: WorkerRecord['state']) => workers.some((worker) => worker.state === state)
  const able = workers.filter(({ restarts }) => restarts === true)
  const title = (verb: string) => `${verb}: ${what}`
  const quiet = () =>
    make('workers.quiet', filter, (told) => `${plural(told.workers, 'worker')} told to take no more jobs`)
  const resume = () =>
    make('workers.resume', filter, (told) => `${plural(told.workers, 'worker')} told to take jobs again`)
  const restart = () =>
    make('workers.restart', filter, ({ workers: told, left }) => {
      const rest = left === 0 ? '' : `; ${left} cannot restart alone, and stay`
      return `${plural(told, 'worker')} told to restart${rest}`
    })
  if (!may('operate')) return null
  return (
    <span class="worker-orders">
      {have('running') && (
        <button type="button" title={title('Take no more jobs')} onClick={() => void quiet()}>
          Quiet
        </button>
      )}
      {have('quiet') && (
        <button type="button" title={title('Take jobs again')} onClick={() => void resume()}>
          Resume
        </button>
      )}
      {may('admin') && able.length > 0 && (
        <button type="button" class="danger" title={title('Restart')} onClick={() => ask(true)}>
          Restart
        </button>
      )}
      {isAsked && (
        <Question
          title={`Restart ${what}?`}
          verb={`Restart ${plural(able.length, 'worker')}`}
          isDangerous
          onAnswer={(yes) => {
            ask(false)
            if (yes) void restart()
          }}
        >
          <p>
            They take no more jobs, finish those that run for up to 25 seconds, and end. Whatever has started
            them must start them again.
          </p>
        </Question>
      )}
    </span>
  )
}

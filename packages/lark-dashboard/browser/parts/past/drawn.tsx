/**
 * A chart of the past, drawn as soon as the library is loaded, with the figures of the step that the pointer
 * is on.
 */
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Mark } from '../../../src/server/look/marks.ts'
import { isDark } from '../../frame/theme.ts'

interface Chart<Data> {
  show(data: Data, marks: readonly Mark[]): void
  close(): void
}

interface DrawnProps<Data> {
  data: Data
  marks: readonly Mark[]
  /** The description for people who cannot see the chart. */
  label: string
  /** Loads the library and makes the chart. This must be the same function in every rendering. */
  make(place: HTMLElement, pointed: (step: number | undefined) => void): Promise<Chart<Data>>
  /**
   * The text below the chart.
   *
   * @param step the step that the pointer is on. Undefined if the pointer is on no step
   */
  children(step: number | undefined): ComponentChildren
}

export function Drawn<Data>({ data, marks, label, make, children }: DrawnProps<Data>) {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<Chart<Data> | undefined>(undefined)
  const isFailed = useSignal(false)
  const pointed = useSignal<number | undefined>(undefined)
  const latest = useRef({ data, marks })
  latest.current = { data, marks }
  chart.current?.show(data, marks)
  const dark = isDark.value

  useEffect(() => {
    let isOver = false
    make(place.current!, (i) => (pointed.value = i)).then(
      (made) => {
        if (isOver) return made.close()
        chart.current = made
        made.show(latest.current.data, latest.current.marks)
      },
      () => (isFailed.value = true),
    )
    return () => {
      isOver = true
      chart.current?.close()
      chart.current = undefined
    }
  }, [dark, make])

  return (
    <>
      {isFailed.value && (
        <p class="problem">The chart could not be loaded. Its table has the same figures.</p>
      )}
      <div ref={place} class="ended-chart" role="img" aria-label={label} />
      <p class="quiet small ended-pointed">{children(pointed.value)}</p>
    </>
  )
}

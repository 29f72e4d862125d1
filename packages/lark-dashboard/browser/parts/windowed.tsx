/** The rows of a long table. Only the visible rows are drawn, between two spacers. */
import { useSignal, useSignalEffect } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

/** How many rows are drawn above and below the visible rows. */
const BEYOND = 12
/**
 * How many rows are added and removed together. Drawing the list again for every single row would cost more.
 */
const STEP = 10

export interface WindowedProps<T> {
  rows: readonly T[]
  /** The height of a row, in CSS pixels. */
  height: number
  columns: number
  draw(row: T, at: number): ComponentChildren
  /** Called when the visible rows are near the end of the list. */
  onEnd?: (() => void) | undefined
}

export function Windowed<T>({ rows, height, columns, draw, onEnd }: WindowedProps<T>) {
  const body = useRef<HTMLTableSectionElement>(null)
  const first = useSignal(0)
  const seen = useSignal(60)

  const look = () => {
    const top = body.current?.getBoundingClientRect().top ?? 0
    first.value = Math.max(0, Math.floor(-top / height / STEP) * STEP - BEYOND)
    seen.value = Math.ceil(window.innerHeight / height) + 2 * BEYOND + STEP
  }
  useEffect(() => {
    look()
    window.addEventListener('scroll', look, { passive: true })
    window.addEventListener('resize', look)
    return () => {
      window.removeEventListener('scroll', look)
      window.removeEventListener('resize', look)
    }
  }, [])
  const end = useRef(onEnd)
  end.current = onEnd
  const length = rows.length
  useSignalEffect(() => {
    if (first.value + seen.value >= length - BEYOND) end.current?.()
  })
  useEffect(() => {
    if (first.value + seen.value >= length - BEYOND) end.current?.()
  }, [length])

  const from = Math.min(first.value, Math.max(0, length - 1))
  const until = Math.min(length, from + seen.value)
  // A row that stays visible keeps its node, so Preact does not compare it again when other rows are added or
  // removed.
  const before = useRef<{ draw?: unknown; nodes: ReadonlyMap<T, ComponentChildren> }>({ nodes: new Map() })
  const known = before.current.draw === draw ? before.current.nodes : undefined
  const nodes = new Map(
    rows.slice(from, until).map((row, i) => [row, known?.get(row) ?? draw(row, from + i)] as const),
  )
  before.current = { draw, nodes }
  return (
    <tbody ref={body}>
      {from > 0 && <Spacer height={from * height} columns={columns} />}
      {[...nodes.values()]}
      {until < length && <Spacer height={(length - until) * height} columns={columns} />}
    </tbody>
  )
}

function Spacer({ height, columns }: { height: number; columns: number }) {
  return (
    <tr class="spacer">
      <td colSpan={columns} style={{ height: `${height}px` }} />
    </tr>
  )
}

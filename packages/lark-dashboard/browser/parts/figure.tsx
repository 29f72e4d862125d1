/**
 * A figure with its name, in a list of figures.
 */
import type { ComponentChildren } from 'preact'

interface FigureProps {
  name: string
  /** An explanation, shown when the pointer is on its name. */
  title?: string
  isBad?: boolean
  children: ComponentChildren
}

export function Figure({ name, title, isBad, children }: FigureProps) {
  return (
    <div>
      <dt title={title}>{name}</dt>
      <dd class={isBad ? 'bad' : undefined}>{children}</dd>
    </div>
  )
}

/** A part of a page with a title. */
import type { ComponentChildren } from 'preact'

interface SectionProps {
  /** The id of the title, unique in the whole page. */
  id: string
  title: ComponentChildren
  /** What is shown beside the title. */
  beside?: ComponentChildren
  class?: string
  children: ComponentChildren
}

export function Section({ id, title, beside, class: style, children }: SectionProps) {
  return (
    <section aria-labelledby={id} class={style}>
      <header>
        <h2 id={id}>{title}</h2>
        {beside}
      </header>
      {children}
    </section>
  )
}

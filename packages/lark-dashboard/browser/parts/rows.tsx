/** A table with a row for each object that the page lists. A narrow window shows it as cards. */
import type { ComponentChildren } from 'preact'

interface RowsProps {
  /** The titles of the columns, in their order. The column of the buttons has an empty title. */
  heads: readonly (string | { number: string })[]
  /** The CSS class of the box around the table. */
  class?: string
  /** The body of the table. */
  children: ComponentChildren
}

export function Rows({ heads, class: style, children }: RowsProps) {
  return (
    <div class={style === undefined ? 'scroll' : `scroll ${style}`}>
      <table class="rows">
        <thead>
          <tr>
            {heads.map((head, i) =>
              typeof head === 'string' ? (
                <th key={i}>{head || <span class="hidden-text">Actions</span>}</th>
              ) : (
                <th key={i} class="number">
                  {head.number}
                </th>
              ),
            )}
          </tr>
        </thead>
        {children}
      </table>
    </div>
  )
}

/** The icons, drawn as strokes in a square of 16 by 16. Each icon is beside a word, or has a title. */
const paths = {
  overview: 'M2.5 13.5v-5M6.2 13.5v-9M9.8 13.5v-6M13.5 13.5v-11',
  queues: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  jobs: 'M3 3.5h10v9H3zM3 6.5h10',
  changes: 'M2.5 8h2M6 8h2M9.5 8h4M11 5l3 3-3 3',
  classes: 'M3 3h4v4H3zM9 3h4v4H9zM3 9h4v4H3zM9 9h4v4H9z',
  failures: 'M8 2.5 14 13H2zM8 6.5v3M8 11.2v.1',
  flows: 'M2.5 8h3M10.5 4.5h3M10.5 11.5h3M5.5 8c3 0 2-3.5 5-3.5M5.5 8c3 0 2 3.5 5 3.5',
  schedules: 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3l2 1.5',
  limiters: 'M3 12.5a5.5 5.5 0 1 1 10 0M8 9.5 10.5 6',
  workers: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.1M5 11h.1',
  outbox: 'M2.5 9v4.5h11V9M2.5 9h3l1 2h3l1-2h3M8 8V2.5M5.5 5 8 2.5 10.5 5',
  doctor: 'M8 3v10M3 8h10',
  audit: 'M4 2.5h8v11H4zM6 5.5h4M6 8h4M6 10.5h2',
  dispatch: 'M2.5 8h9M8.5 4.5 12 8l-3.5 3.5M14 3v10',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3l3.2 3.2',
  clock: 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3.2h2.5',
  theme: 'M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11',
  close: 'M4 4l8 8M12 4l-8 8',
} as const

export type IconName = keyof typeof paths

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      <path
        d={paths[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.4"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  )
}

/**
 * The pages of the dashboard: their names, where they are, and the key that opens each behind `g`.
 */
import { lazy } from './lazy.tsx'

export const places = [
  {
    page: 'overview',
    title: 'Overview',
    key: 'o',
    show: lazy(() => import('../pages/overview/overview.tsx')),
  },
] as const

export type PageName = (typeof places)[number]['page']

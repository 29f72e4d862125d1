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
  { page: 'jobs', title: 'Jobs', key: 'j', show: lazy(() => import('../pages/jobs/jobs.tsx')) },
] as const

export type PageName = (typeof places)[number]['page']

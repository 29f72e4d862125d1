/** The pages of the dashboard: their names, their addresses, and the key that opens each page after `g`. */
import { computed } from '@preact/signals'
import { viewer } from '../data/viewer.ts'
import { lazy } from './lazy.tsx'

export const places = [
  {
    page: 'overview',
    title: 'Overview',
    key: 'o',
    show: lazy(() => import('../pages/overview/overview.tsx')),
  },
  { page: 'queues', title: 'Queues', key: 'q', show: lazy(() => import('../pages/queues/queues.tsx')) },
  { page: 'jobs', title: 'Jobs', key: 'j', show: lazy(() => import('../pages/jobs/jobs.tsx')) },
  {
    page: 'failures',
    title: 'Failures',
    key: 'f',
    show: lazy(() => import('../pages/failures/failures.tsx')),
  },
  { page: 'changes', title: 'Changes', key: 'c', show: lazy(() => import('../pages/changes/changes.tsx')) },
  { page: 'classes', title: 'Classes', key: 'e', show: lazy(() => import('../pages/classes/classes.tsx')) },
  { page: 'flows', title: 'Flows', key: 'w', show: lazy(() => import('../pages/flows/flows.tsx')) },
  {
    page: 'schedules',
    title: 'Schedules',
    key: 's',
    show: lazy(() => import('../pages/schedules/schedules.tsx')),
  },
  {
    page: 'limiters',
    title: 'Limiters',
    key: 'l',
    show: lazy(() => import('../pages/limiters/limiters.tsx')),
  },
  {
    page: 'dispatch',
    title: 'Dispatch',
    key: 'n',
    show: lazy(() => import('../pages/dispatch/dispatch.tsx')),
  },
  { page: 'outbox', title: 'Outbox', key: 'b', show: lazy(() => import('../pages/outbox/outbox.tsx')) },
  { page: 'workers', title: 'Workers', key: 'k', show: lazy(() => import('../pages/workers/workers.tsx')) },
  { page: 'audit', title: 'Audit', key: 'a', show: lazy(() => import('../pages/audit/audit.tsx')) },
  { page: 'doctor', title: 'Doctor', key: 'd', show: lazy(() => import('../pages/doctor/doctor.tsx')) },
] as const

/** The pages. The page of the outbox is left out if no outbox is configured. */
export const shownPlaces = computed(() =>
  places.filter(({ page }) => page !== 'outbox' || viewer.value?.hasOutbox === true),
)

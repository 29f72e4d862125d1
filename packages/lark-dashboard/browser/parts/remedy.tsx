/**
 * Puts a remedy into the words of the dashboard: a link to a page, and the button to press there. A new
 * remedy of lark-jobs (`model/remedy.ts`) gets its row here.
 */
import type { Remedy } from '@s18i/lark-jobs/operate'
import { href } from '../data/route.ts'

/** A page that shows more about the problem, or on which people can solve it. */
interface Destination {
  /** What to do, if this cannot be done in a browser. The text comes before the link to the page. */
  lead?: string
  /** What the page shows. */
  page: string
  to: string
  /** The button on that page. */
  button?: string
}

type Destinations = { [Do in Remedy['do']]: (values: Extract<Remedy, { do: Do }>) => Destination }

const job = (id: string, tab?: string): Destination => ({
  page: `job ${id}`,
  to: href('jobs', [id], { tab }),
})
const queue = (name: string): Destination => ({ page: `queue ${name}`, to: href('queues', [name]) })
const jobs = (which: string, query: Record<string, string | undefined>): Destination => ({
  page: `${which} of ${query.queue}`,
  to: href('jobs', [], query),
})
const pending = 'waiting,delayed'

const destinations: Destinations = {
  'see-overview': () => ({ page: 'Overview', to: href('overview') }),
  'see-doctor': () => ({ page: 'Doctor', to: href('doctor') }),
  'see-queues': () => ({ page: 'Queues', to: href('queues') }),
  'see-workers': () => ({ page: 'Workers', to: href('workers') }),
  'see-limiters': () => ({ page: 'Limiters', to: href('limiters') }),
  'see-groups': (values) => ({ ...queue(values.queue), button: 'Groups' }),
  'see-active': (values) => jobs('active jobs', { queue: values.queue, state: 'active' }),
  'see-retrying': (values) => jobs('delayed jobs', { queue: values.queue, state: 'delayed' }),
  'see-failures': (values) => ({
    page: `failures of ${values.queue}`,
    to: href('failures', [], { queue: values.queue }),
  }),
  'see-queue': (values) => queue(values.queue),
  'see-job': (values) => job(values.job),
  'see-errors': (values) => ({ ...job(values.job, 'errors'), button: 'Errors' }),
  'see-why': (values) => job(values.job),
  'see-flow': ({ flow }) => ({ page: `flow ${flow}`, to: href('flows', [flow]) }),
  'see-change': ({ change }) => ({ page: `change ${change}`, to: href('changes', [change]) }),
  'start-worker': (values) => ({
    lead: `start a worker${values.queue === undefined ? '' : ` that serves ${values.queue}`}, where the others run: `,
    page: 'Workers',
    to: href('workers'),
  }),
  'restart-worker': ({ worker }) => ({
    ...{ page: `worker ${worker}`, to: href('workers', [worker]), button: 'Restart' },
  }),
  resume: ({ group, groupHash, ...values }) => ({
    ...queue(values.queue),
    button: group === undefined && groupHash === undefined ? 'Resume' : `Resume group ${group ?? groupHash}`,
  }),
  'send-signal': ({ signal, ...values }) => ({ ...job(values.job), button: `Send ${signal}` }),
  'resume-schedule': ({ schedule }) => ({
    ...{ page: `schedule ${schedule}`, to: href('schedules', [schedule]), button: 'Resume' },
  }),
  retry: (values) => ({ ...job(values.job), button: 'Retry' }),
  move: (values) => ({
    ...(values.job === undefined ? jobs('jobs', { queue: values.queue, state: pending }) : job(values.job)),
    button: `Move to ${values.to}`,
  }),
  cancel: (values) => ({
    ...jobs(values.key === undefined ? 'jobs' : `${values.key} jobs`, {
      queue: values.queue,
      key: values.key,
      state: pending,
    }),
    button: 'Cancel',
  }),
}

/** @param isFirst whether the remedy begins a sentence */
export function RemedyLink({ remedy, isFirst = false }: { remedy: Remedy; isFirst?: boolean }) {
  const destination = (destinations[remedy.do] as (values: Remedy) => Destination)(remedy)
  const { lead = '', page, to, button } = destination
  const [before, shown] =
    isFirst && lead !== '' ? [capital(lead), page] : [lead, isFirst ? capital(page) : page]
  return (
    <>
      {before}
      <a href={to}>{shown}</a>
      {button !== undefined && (
        <>
          {' › '}
          <strong>{button}</strong>
        </>
      )}
    </>
  )
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

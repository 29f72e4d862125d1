/** What a change of the audit changed, in the words of the audit, with links to the jobs and other things. */
import type { ComponentChildren } from 'preact'
import { href } from '../../data/route.ts'

export function ChangedThing({ on }: { on: string }) {
  const [, words, queue, ids] = /^((?:job|[\d,]+ jobs)(?: of queue (.+?))?: )(.*)$/s.exec(on) ?? []
  if (ids !== undefined) {
    const query = queue === undefined ? {} : { queue }
    const [, named = ids, more = ''] = /^(.*?)( and [\d,]+ more)$/s.exec(ids) ?? []
    return (
      <>
        {words}
        {named.split(', ').map((id, i) => (
          <span key={id}>
            {i > 0 && ', '}
            <Id to={href('jobs', [id], query)}>{id}</Id>
          </span>
        ))}
        {more}
      </>
    )
  }
  // The last words name one thing: `group acme of queue shops`, `steps charge of job 7`, `flow 9`.
  const [, before, what, name] =
    /^((?:.* (?:of|to) )?)(queue|job|schedule|flow|class|change) (.+)$/s.exec(on) ?? []
  const page = what === undefined ? undefined : pages[what as keyof typeof pages]
  if (name === undefined || page === undefined || on.startsWith('jobs ')) return <>{on}</>
  return (
    <>
      {before}
      {what} <Id to={href(page, [name])}>{name}</Id>
    </>
  )
}

const pages = {
  queue: 'queues',
  job: 'jobs',
  schedule: 'schedules',
  flow: 'flows',
  class: 'classes',
  change: 'changes',
} as const

/** An id that was cut because it is too long gets no link. */
function Id({ to, children }: { to: string; children: ComponentChildren }) {
  return String(children).endsWith('…') ? <>{children}</> : <a href={to}>{children}</a>
}

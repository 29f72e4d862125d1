/**
 * The groups of a queue: all groups, or the groups whose names contain a text, in the order that the address
 * names.
 */
import { useState } from 'preact/hooks'
import { useAsked } from '../../data/asked.ts'
import { make } from '../../data/changes.ts'
import { href, route, setQuery } from '../../data/route.ts'
import { may } from '../../data/viewer.ts'
import { Choice } from '../../parts/choice.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { count, plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { Section } from '../../parts/section.tsx'
import { Moment } from '../../parts/time.tsx'

/** Milliseconds between two requests: for few groups, and for many groups. */
const EVERY = 5_000
const EVERY_OF_MANY = 30_000
/** Up to this many groups count as few. The button shows this many more groups. */
const STEP = 200
/** The maximum number of groups that are shown. */
const MOST = 2_000

const orders = [
  ['', 'by state'],
  ['pending', 'most pending first'],
  ['active', 'most active first'],
  ['name', 'by name'],
] as const

export function Groups({ name: queue }: { name: string }) {
  const { query } = route.value
  const [limit, setLimit] = useState(STEP)
  const [isMany, setMany] = useState(false)
  const [name, order] = [query.get('group') ?? '', query.get('order') ?? '']
  const input = {
    ...{ queue, limit },
    ...(name !== '' && { name }),
    ...(orders.some(([value]) => value !== '' && value === order) && { order: order as 'name' }),
  }
  const asked = useAsked('groups', input, isMany ? EVERY_OF_MANY : EVERY)
  const found = asked.data?.count ?? 0
  if (isMany !== found > STEP) setMany(found > STEP)
  return (
    <Section
      id="groups"
      title="Groups"
      beside={
        <>
          <label class="quiet">
            Name{' '}
            <input
              type="search"
              placeholder="a part of it"
              value={name}
              onChange={(event) => setQuery({ group: event.currentTarget.value.trim() })}
            />
          </label>
          <Choice name="order" title="Sorted" values={orders} />
        </>
      }
    >
      <Answer asked={asked}>
        {({ groups, count: all, hasMore }) =>
          groups.length === 0 ? (
            <Empty>
              {name === ''
                ? 'No group has jobs, and none is paused.'
                : `No group that has jobs or is paused has a name with ${name} in it.`}
            </Empty>
          ) : (
            <>
              <Rows heads={['Group', 'State', { number: 'Pending' }, { number: 'Active' }, '']}>
                <tbody>
                  {groups.map((each) => (
                    <GroupRow
                      key={`${each.partition} ${each.group ?? each.groupHash} ${each.limiter} ${each.permits}`}
                      queue={queue}
                      status={each}
                    />
                  ))}
                </tbody>
              </Rows>
              {(all > groups.length || hasMore) && (
                <p class="quiet small">
                  {count(groups.length)} of {hasMore && 'more than '}
                  {plural(all, 'group')} are shown.{' '}
                  {all > groups.length && limit < MOST && (
                    <button type="button" onClick={() => setLimit(Math.min(MOST, limit + STEP))}>
                      Show more
                    </button>
                  )}
                </p>
              )}
            </>
          )
        }
      </Answer>
    </Section>
  )
}

interface GroupRowProps {
  queue: string
  status: {
    group?: string
    groupHash?: string
    state: string
    until?: number
    pending: number
    active: number
  }
}

function GroupRow({ queue, status: { group, groupHash, state, until, pending, active } }: GroupRowProps) {
  return (
    <tr>
      <td>
        {group === undefined ? (
          <code>{groupHash}</code>
        ) : (
          <a data-row href={href('jobs', [], { queue, group })}>
            {group}
          </a>
        )}
      </td>
      <td>
        {state}
        {until !== undefined && (
          <span class="quiet">
            {' '}
            <Moment at={until} />
          </span>
        )}
      </td>
      <td class="number" data-label="pending">
        {count(pending)}
      </td>
      <td class="number" data-label="active">
        {count(active)}
      </td>
      <td class="wide">
        {may('operate') && group !== undefined && (
          <button type="button" class="plain" onClick={() => void pauseGroup(queue, group, state)}>
            {state === 'paused' ? 'Resume' : 'Pause'}
          </button>
        )}
      </td>
    </tr>
  )
}

async function pauseGroup(queue: string, group: string, state: string): Promise<void> {
  if (state === 'paused') await make('queues.resume', { queue, group }, () => `Group ${group} goes on`)
  else await make('queues.pause', { queue, group }, () => `Group ${group} is paused`)
}

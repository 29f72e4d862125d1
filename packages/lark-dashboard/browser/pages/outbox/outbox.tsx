/**
 * The outbox: jobs that the application has committed in its database, and that are not in the store yet. For
 * a row that cannot become a job, the page says why, and people can retry the row by hand.
 */
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { make } from '../../data/changes.ts'
import { href, route } from '../../data/route.ts'
import { may } from '../../data/viewer.ts'
import { Choice, Pages } from '../../parts/choice.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { count, duration, plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'

/** Milliseconds between two requests for the first page. */
const EVERY = 3_000
const LIMIT = 100

type Found = NonNullable<Output<'outbox'>>
type Row = Found['rows'][number]

const which: [string, string][] = [
  ['', 'all'],
  ['bad', 'that cannot become jobs'],
]

const heads = ['Job', 'Class', 'Queue', 'Age']

export default function Outbox() {
  const { query } = route.value
  const bad = query.get('only') === 'bad'
  const cursor = query.get('after') ?? undefined
  const input = { limit: LIMIT, ...(bad && { bad }), ...(cursor !== undefined && { cursor }) }
  const asked = useAsked('outbox', input, cursor === undefined ? EVERY : undefined)
  return (
    <>
      <div class="page-head">
        <h1>Outbox</h1>
        <span class="spread" />
        <Choice name="only" title="Rows" values={which} />
        {may('operate') && (asked.data?.bad ?? 0) > 0 && (
          <button type="button" onClick={() => retry(undefined)}>
            Retry all
          </button>
        )}
      </div>
      <Answer asked={asked}>
        {(found) =>
          found === null ? (
            <Empty>The configuration names no database for the outbox.</Empty>
          ) : (
            <>
              <p>{backlog(found)}</p>
              {found.rows.length > 0 ? (
                <Rows heads={hasReasons(found) ? [...heads, 'Why it cannot become a job'] : heads}>
                  <tbody>
                    {found.rows.map((row) => (
                      <OutboxRow key={row.place} row={row} />
                    ))}
                  </tbody>
                </Rows>
              ) : (
                <Empty>
                  {bad
                    ? 'Every row can become a job.'
                    : 'A job that is dispatched in a transaction is here from the commit until a worker has put it into the store.'}
                </Empty>
              )}
              <Pages cursor={cursor} next={found.cursor} first="To the oldest" onward="Later ones" />
            </>
          )
        }
      </Answer>
    </>
  )
}

function OutboxRow({ row: { id, kind, key = kind, queue, age, error } }: { row: Row }) {
  return (
    <tr>
      <td>
        <a data-row class="mono" href={href(kind === 'flow' ? 'flows' : 'jobs', [id])}>
          {id}
        </a>
      </td>
      <td>{key}</td>
      <td>{queue}</td>
      <td data-label="age">{duration(age)}</td>
      <td class="wide prose">
        {error !== undefined && <span class="bad">{error} </span>}
        {error !== undefined && may('operate') && (
          <button type="button" aria-label={`Retry ${id}`} onClick={() => retry([id])}>
            Retry
          </button>
        )}
      </td>
    </tr>
  )
}

function hasReasons({ rows }: Found): boolean {
  return rows.some(({ error }) => error !== undefined)
}

function backlog({ waiting, age, bad }: Found): string {
  const oldest = waiting === 0 ? '' : `, the oldest for ${duration(age)}`
  const cannot =
    bad === 0 ? '' : `; ${bad === 1 ? '1 row cannot become a job' : `${count(bad)} rows cannot become jobs`}`
  const rows = waiting === 0 ? 'No row waits' : waiting === 1 ? '1 row waits' : `${count(waiting)} rows wait`
  return `${rows} for the relay${oldest}${cannot}.`
}

/**
 * @param ids the ids of the jobs whose rows are tried again. Without ids, all rows that cannot become jobs
 *   are tried again
 */
function retry(ids: string[] | undefined): void {
  void make(
    'outbox.retry',
    ids === undefined ? {} : { ids },
    (rows) => `The relay takes ${plural(rows, 'row')} again`,
  )
}

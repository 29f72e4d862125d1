/** The limiters, each with its permits and the workers that hold them, and the circuits that are open. */
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { href } from '../../data/route.ts'
import { Answer, Empty } from '../../parts/empty.tsx'
import { count, duration, plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { Section } from '../../parts/section.tsx'
import { Moment, Since } from '../../parts/time.tsx'

/** Milliseconds between two requests. */
const EVERY = 3_000

type ShownLimiter = Output<'limiters'>[number]

export default function Limiters() {
  const limiters = useAsked('limiters', {}, EVERY)
  const circuits = useAsked('circuits', {}, EVERY)
  return (
    <>
      <h1>Limiters and circuits</h1>
      <Section id="limiters" title="Limiters">
        <Answer asked={limiters}>
          {(all) =>
            all.length === 0 ? (
              <Empty>No limiter is configured, and no worker uses one.</Empty>
            ) : (
              <Rows heads={['Limiter', 'Grants', { number: 'In use' }, 'Held by', 'Wait for it']}>
                <tbody>
                  {all.map((limiter) => (
                    <LimiterRow key={limiter.limiter} limiter={limiter} />
                  ))}
                </tbody>
              </Rows>
            )
          }
        </Answer>
      </Section>
      <Section id="circuits" title="Circuits">
        <Answer asked={circuits}>
          {(all) =>
            all.length === 0 ? (
              <Empty>No circuit is open.</Empty>
            ) : (
              <ul>
                {all.map(({ circuit, state, openedAt, until }) => (
                  <li key={circuit}>
                    <strong>{circuit}</strong> <span class="warn">{state}</span> for <Since at={openedAt} />
                    {state === 'open' && (
                      <>
                        ; the next trial <Moment at={until} />
                      </>
                    )}
                  </li>
                ))}
              </ul>
            )
          }
        </Answer>
      </Section>
    </>
  )
}

function LimiterRow({ limiter: { limiter, limits, held, holders, waits } }: { limiter: ShownLimiter }) {
  const isFull = limits?.concurrency !== undefined && held >= limits.concurrency
  const [longest] = waits
  return (
    <tr>
      <td>{limiter}</td>
      <td class="quiet">{limits === undefined ? 'not configured here' : limitWords(limits)}</td>
      <td class={isFull ? 'number warn' : 'number'} data-label="in use">
        {count(held)}
      </td>
      <td>
        {holders.slice(0, 3).map(({ worker, permits }) => (
          <a key={worker} class="mono holder" href={href('workers', [worker])}>
            {worker} {permits > 1 && `×${permits}`}
          </a>
        ))}
        {holders.length > 3 && <span class="quiet"> and {plural(holders.length - 3, 'other')}</span>}
      </td>
      <td class="wide" data-label="waits">
        {longest === undefined ? (
          <span class="quiet">nobody</span>
        ) : (
          <>
            {plural(waits.length, 'worker')}, the longest for <Since at={longest.since} />
          </>
        )}
      </td>
    </tr>
  )
}

/** The words for a limit, such as `5 at a time, 100 in 1 min`. */
// New kind of rate: put it into words here, if it has other numbers.
function limitWords({ concurrency, rate }: NonNullable<ShownLimiter['limits']>): string {
  return [
    concurrency !== undefined && `${count(concurrency)} at a time`,
    rate !== undefined && `${count(rate.limit)} in ${duration(rate.per)} (${rate.kind})`,
  ]
    .filter(Boolean)
    .join(', ')
}

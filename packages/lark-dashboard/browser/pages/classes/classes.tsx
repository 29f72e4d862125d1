/** All job classes that ran lately, or one class. */
import type { EndedCounts } from '@s18i/lark-jobs/operate'
import type { ListedClass } from '../../../src/server/look/past.ts'
import { useAsked } from '../../data/asked.ts'
import { href, route } from '../../data/route.ts'
import { Answer, Empty } from '../../parts/empty.tsx'
import { count, plural, share } from '../../parts/numbers.ts'
import { Trend } from '../../parts/past/trend.tsx'
import { Rows } from '../../parts/rows.tsx'
import { ClassPage } from './class.tsx'
import { runsOf, timeOf } from './figures.ts'

/** Milliseconds between two requests. */
const EVERY = 30_000

export default function Classes() {
  const [key] = route.value.rest
  return key === undefined ? <ClassList /> : <ClassPage key={key} jobClass={key} />
}

function ClassList() {
  const asked = useAsked('classes.ran', {}, EVERY)
  return (
    <Answer asked={asked}>
      {({ classes }) => (
        <>
          <div class="page-head">
            <h1>Classes</h1>
            <span class="quiet">
              {plural(classes.length, 'class', 'classes')} that ran within eight days. The figures are of the
              last 24 hours that are over.
            </span>
          </div>
          {classes.length === 0 ? (
            <Empty>No run of any class is known. Workers count their runs as soon as jobs run.</Empty>
          ) : (
            <Rows
              heads={[
                'Class',
                '24 hours',
                { number: 'This hour' },
                { number: 'Runs' },
                { number: 'Day before' },
                { number: 'Week before' },
                { number: 'Failed' },
                { number: 'Day before' },
                { number: 'Waited: 95 %' },
                { number: 'Took: 95 %' },
                { number: 'Day before' },
              ]}
            >
              <tbody>
                {classes.map((each) => (
                  <ClassRow key={each.key} listed={each} />
                ))}
              </tbody>
            </Rows>
          )}
        </>
      )}
    </Answer>
  )
}

function ClassRow({ listed: { key, hours, present, last, dayBefore, weekBefore } }: { listed: ListedClass }) {
  const ofHour = runsOf(present)
  const isWorse = failedShare(last) > 2 * failedShare(dayBefore) && last.failed > 1
  return (
    <tr>
      <td>
        <a data-row href={href('classes', [key])}>
          {key}
        </a>
      </td>
      <td class="kind-trend">
        <Trend
          values={hours}
          points={hours.length}
          isOpen
          title={`Runs in each of the last 24 hours, ${key}`}
        />
      </td>
      <td class={present.failed > 0 ? 'number bad' : 'number'} data-label="this hour">
        {count(ofHour)}
        {present.failed > 0 && `, ${count(present.failed)} failed`}
      </td>
      <td class="number" data-label="runs">
        {count(runsOf(last))}
      </td>
      <td class="number quiet" data-label="day before">
        {count(runsOf(dayBefore))}
      </td>
      <td class="number quiet" data-label="week before">
        {count(runsOf(weekBefore))}
      </td>
      <td class={isWorse ? 'number bad' : 'number'} data-label="failed">
        {share(last.failed, runsOf(last))}
      </td>
      <td class="number quiet" data-label="day before">
        {share(dayBefore.failed, runsOf(dayBefore))}
      </td>
      <td class="number" data-label="waited">
        {timeOf(last.wait.p95)}
      </td>
      <td class="number" data-label="took">
        {timeOf(last.process.p95)}
      </td>
      <td class="number quiet" data-label="day before">
        {timeOf(dayBefore.process.p95)}
      </td>
    </tr>
  )
}

function failedShare(ends: EndedCounts): number {
  return ends.failed / Math.max(1, runsOf(ends))
}

/**
 * The findings of the doctor. Errors come first, each with advice. Checks that found no problem are only
 * counted.
 */
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { Answer } from '../../parts/empty.tsx'
import { plural } from '../../parts/numbers.ts'
import { RemedyLink } from '../../parts/remedy.tsx'
import { Moment } from '../../parts/time.tsx'

type Finding = Output<'doctor'>[number]

export default function Doctor() {
  const asked = useAsked('doctor', {})
  return (
    <>
      <div class="page-head">
        <h1>Doctor</h1>
        {asked.at !== undefined && (
          <span class="quiet">
            looked <Moment at={asked.at} />
          </span>
        )}
        <span class="spread" />
        <button type="button" onClick={asked.again}>
          Look again
        </button>
      </div>
      <Answer asked={asked}>
        {(findings) => {
          const well = findings.filter(({ level }) => level === 'ok')
          const ill = findings.filter(({ level }) => level !== 'ok')
          return (
            <>
              {ill.length === 0 && <p class="ok">All is well.</p>}
              <ul class="findings">
                {[...ill]
                  .sort((one, other) => one.level.localeCompare(other.level))
                  .map((finding) => (
                    <FindingRow key={finding.code + finding.subject} finding={finding} />
                  ))}
              </ul>
              <details class="findings-well">
                <summary>{plural(well.length, 'check')} found nothing wrong</summary>
                <ul>
                  {well.map(({ code, subject, text }) => (
                    <li key={code + subject}>
                      <span class="ok" aria-hidden="true">
                        ✓
                      </span>{' '}
                      <span class="quiet">{subject}:</span> {text}
                    </li>
                  ))}
                </ul>
              </details>
            </>
          )
        }}
      </Answer>
    </>
  )
}

function FindingRow({ finding: { code, level, subject, text, advice } }: { finding: Finding }) {
  return (
    <li class={`finding finding-${level}`}>
      <p>
        <strong class={level === 'error' ? 'bad' : 'warn'}>{level}</strong>{' '}
        <span class="quiet">{subject}</span> <code class="quiet">{code}</code>
      </p>
      <p>{text}</p>
      {advice !== undefined && (
        <p class="advice">
          {advice.map((part, i) =>
            typeof part === 'string' ? part : <RemedyLink key={i} remedy={part} isFirst={i === 0} />,
          )}
        </p>
      )}
    </li>
  )
}

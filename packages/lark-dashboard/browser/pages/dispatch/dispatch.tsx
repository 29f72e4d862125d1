/**
 * Dispatches a job by hand: its class, its payload as a form or as JSON, and the settings in which it differs
 * from its class.
 */
import { useState } from 'preact/hooks'
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { make } from '../../data/changes.ts'
import { href, route, setQuery } from '../../data/route.ts'
import { may, viewer } from '../../data/viewer.ts'
import { Answer, Empty } from '../../parts/empty.tsx'
import { Section } from '../../parts/section.tsx'
import { payloadFields } from './payload-fields.ts'
import { PayloadForm } from './payload-form.tsx'

type ClassInfo = Output<'classes'>[number]
type Dispatched = Output<'dispatch'>

export default function Dispatch() {
  const asked = useAsked('classes', {})
  const key = route.value.query.get('key') ?? ''
  if (!may('operate')) return <Empty>Only viewers with the role operate dispatch jobs.</Empty>
  return (
    <>
      <div class="page-head">
        <h1>Dispatch</h1>
      </div>
      <Answer asked={asked}>
        {(classes) =>
          classes.length === 0 ? (
            <Empty>
              The server of the dashboard knows no job class: it has no folder of jobs, and its configuration
              names none.
            </Empty>
          ) : (
            <>
              <label class="form-class">
                Class{' '}
                <select value={key} onChange={(event) => setQuery({ key: event.currentTarget.value })}>
                  <option value="">choose one</option>
                  {classes.map((each) => (
                    <option key={each.key}>{each.key}</option>
                  ))}
                </select>
              </label>
              {classes
                .filter((each) => each.key === key)
                .map((each) => (
                  <DispatchForm key={each.key} info={each} />
                ))}
              {key !== '' && classes.every((each) => each.key !== key) && (
                <p class="problem">The server of the dashboard does not know the class {key}.</p>
              )}
            </>
          )
        }
      </Answer>
    </>
  )
}

const options = [
  ['queue', 'Queue'],
  ['delay', 'Delay'],
  ['priority', 'Priority'],
  ['tags', 'Tags'],
  ['id', 'Id'],
] as const

function DispatchForm({ info: { key, queue, schema } }: { info: ClassInfo }) {
  const [text, setText] = useState(schema === undefined ? '' : '{}')
  const [said, say] = useState<Record<string, string>>({})
  const [done, setDone] = useState<Dispatched | undefined>(undefined)
  const fields = payloadFields(schema)
  const { payload, problem } = read(text)
  const hints: Record<string, string> = {
    queue,
    delay: 'such as 5m',
    priority: '0',
    tags: 'one, two',
    id: '',
  }
  const send = async () => {
    const { queue, delay, priority, tags, id } = said
    const input = {
      key,
      ...(text.trim() !== '' && { payload: text }),
      ...(queue && { queue }),
      ...(delay && { delay }),
      ...(priority && { priority: Number(priority) }),
      ...(tags && { tags: tags.split(',').map((tag) => tag.trim()) }),
      ...(id && { id }),
    }
    setDone(await make('dispatch', input, (answer) => outcome(key, answer)))
  }
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
    >
      <Section
        id="payload"
        title="Payload"
        beside={viewer.value?.payloads && <LastPayload jobClass={key} onTake={setText} />}
      >
        {fields !== undefined && isObject(payload) && (
          <PayloadForm
            fields={fields}
            payload={payload}
            onChange={(changed) => setText(JSON.stringify(changed, null, 2))}
          />
        )}
        <details open={fields === undefined || !isObject(payload)}>
          <summary>As JSON</summary>
          <textarea
            rows={8}
            aria-label="Payload as JSON"
            spellcheck={false}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <p class={problem === undefined ? 'quiet small' : 'bad small'} role="status">
            {problem ??
              'The class checks the payload when the job is dispatched. If the text is empty, the job has no payload.'}
          </p>
        </details>
      </Section>
      <Section id="differences" title="Different from its class">
        <div class="form-fields">
          {options.map(([name, title]) => (
            <label key={name}>
              <span>{title}</span>
              <input
                type="text"
                placeholder={hints[name]}
                value={said[name] ?? ''}
                onInput={({ currentTarget: { value } }) => say({ ...said, [name]: value })}
              />
            </label>
          ))}
        </div>
      </Section>
      <p>
        <button type="submit" class="main" disabled={problem !== undefined}>
          Dispatch
        </button>
      </p>
      {done !== undefined && (
        <p class={done.queued ? 'ok' : 'warn'}>
          {outcome(key, done)}: <JobLink done={done} />
        </p>
      )}
    </form>
  )
}

function JobLink({ done: { id, queue, rejection } }: { done: Dispatched }) {
  if (rejection?.reason === 'full') return <a href={href('queues', [queue])}>{queue}</a>
  return (
    <a class="mono" href={href('jobs', [id], { queue })}>
      {id}
    </a>
  )
}

/** A button that copies the payload of the last job of the class into the form. */
function LastPayload({ jobClass, onTake }: { jobClass: string; onTake(text: string): void }) {
  const asked = useAsked('jobs.list', { filter: { key: jobClass }, limit: 1 })
  const last = asked.data?.jobs[0]?.payload
  if (last === undefined || last.hidden > 0) return null
  return (
    <button type="button" onClick={() => onTake(JSON.stringify(JSON.parse(last.json), null, 2))}>
      Copy the payload of an earlier job
    </button>
  )
}

function outcome(key: string, { queue, rejection }: Dispatched): string {
  if (rejection === undefined) return `Queued ${key} in ${queue}`
  const why = {
    unique: 'a job like it has not ended',
    throttled: 'it came too soon after another',
    exists: `${queue} has a job with this id, which is ${rejection.state}`,
    full: `${queue} is full`,
  }
  return `Queued no ${key}: ${why[rejection.reason]}`
}

function read(text: string): { payload?: unknown; problem?: string } {
  if (text.trim() === '') return {}
  try {
    return { payload: JSON.parse(text) }
  } catch (error) {
    return { problem: `This is not JSON: ${(error as Error).message}` }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

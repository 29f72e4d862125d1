/**
 * Replaces the payloads of jobs that are not running. The schema of the class checks the new payload, if this
 * process knows the class. The job records when it was edited.
 */

import { JobsError } from '../../model/errors.ts'
import { decode, encode } from '../../model/payload.ts'
import { definitions } from '../../options/definitions.ts'
import { classOf, classWith } from '../../options/job-class.ts'
import { versionOf as versionOfText, writePayload } from '../../options/payload-rules.ts'
import { isObject } from '../../options/schema.ts'
import { COMMAND_JOB, commandIn } from '../../run/command-job.ts'
import { MAX_ENTRIES } from '../../step/recorder.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import type { AlterVerdict, Change } from '../../store/contract/store.ts'
import { shown } from '../../words/secret.ts'
import { AT_ONCE } from '../look/ask-all.ts'
import { Passage } from '../look/passage.ts'
import { alterAll, type Located, type OpenQueues } from '../look/stored-jobs.ts'

/**
 * @throws JOB_NOT_EDITABLE for a job whose steps have recorded something, because the records would not fit
 *   the new payload
 */
export async function checkUnstepped(
  { store }: OpenQueues,
  partition: string,
  jobs: readonly Pick<Located, 'id'>[],
): Promise<void> {
  for (const { id } of jobs) {
    const journal = await store.journals.read(partition, id, MAX_ENTRIES)
    if (journal === undefined || journal.count === 0) continue
    throw new JobsError('JOB_NOT_EDITABLE', `${id} has run steps; what they did belongs to its payload`, {
      id,
      hint: 'Edit it with { force: true } if they fit the new payload too, or dispatch another job.',
    })
  }
}

/**
 * Gives all jobs the same payload. Jobs with the same class and the same payload version are changed in one
 * call.
 */
export async function editAll(
  open: OpenQueues,
  partition: string,
  jobs: readonly Pick<Located, 'id' | 'key'>[],
  payload: unknown,
  how: EditHow,
  passage?: Passage,
): Promise<AlterVerdict[]> {
  if (typeof payload === 'function')
    return await editEach(open, partition, jobs, payload as Editing, how, passage)
  const changes = new Map<string, { change: Edit; ids: string[] }>()
  for (const { id, key } of jobs) {
    const isRead = key === COMMAND_JOB || !isMet(key)
    const text = isRead ? ((await open.store.get(partition, id))?.payload ?? '') : ''
    checkCommand(id, key, text, payload)
    const like = isMet(key) ? key : `${key} ${versionIn(text)}`
    const same = changes.get(like)
    if (same !== undefined) same.ids.push(id)
    else changes.set(like, { change: changeOf(like, key, payload), ids: [id] })
  }
  const verdicts: AlterVerdict[] = []
  for (const { change, ids } of changes.values())
    verdicts.push(...(await alterAll(open.store, partition, ids, { ...change, ...how }, passage)))
  return verdicts
}

type Edit = Extract<Change, { kind: 'edit' }>
type EditHow = Pick<Edit, 'force' | 'only'>

/** Makes the new payload of a job from the stored one. */
type Editing = (payload: unknown) => unknown

/** Gives each job its own new payload. A limited number of jobs is edited at the same time. */
async function editEach(
  { store }: OpenQueues,
  partition: string,
  jobs: readonly Pick<Located, 'id' | 'key'>[],
  editing: Editing,
  how: EditHow,
  passage = new Passage(),
): Promise<AlterVerdict[]> {
  const edited = async ({ id, key }: Pick<Located, 'id' | 'key'>): Promise<AlterVerdict> => {
    const text = (await store.get(partition, id))?.payload
    if (text === undefined) return 'missing'
    const payload = editing(decode(text))
    checkCommand(id, key, text, payload)
    const change = changeOf(`${key} ${versionIn(text)}`, key, payload, text)
    const [verdict] = await store.alter(partition, [id], { ...change, ...how })
    return verdict!
  }
  const verdicts: AlterVerdict[] = []
  for (const some of inLots(jobs, AT_ONCE)) {
    if (passage.isOver) break
    const answers = await Promise.all(some.map(edited))
    verdicts.push(...answers)
    await passage.passed(some.length, answers)
  }
  return verdicts
}

function isMet(key: string): boolean {
  return definitions.has(key) || classWith(key) !== undefined
}

/**
 * @param like a payload text. If this process does not know the class, the new payload gets the trailing
 *   spaces of this text, which encode the version (`payload-rules.ts`)
 * @param before the stored payload, if the new payload is made from it
 */
function changeOf(like: string, key: string, payload: unknown, before?: string): Edit {
  const Defined = definitions.get(key)
  const jobClass = Defined === undefined ? classWith(key) : classOf(Defined)
  // The schema of a class fits only payloads of its current version. Older payloads are converted and checked
  // when a worker reads them.
  const isOlder = before !== undefined && versionOfText(before) !== (jobClass?.rules?.version ?? 1)
  if (jobClass === undefined || isOlder)
    return { kind: 'edit', payload: encode(payload, key) + like.slice(key.length + 1) }
  const { redact = [] } = jobClass.rules ?? {}
  return { kind: 'edit', payload: writePayload(payload, jobClass), redact }
}

/**
 * The trailing spaces of a payload text. The number of spaces encodes the version of the payload. A person
 * edits the stored payload, so the version does not change.
 */
function versionIn(text: string): string {
  return text.slice(text.trimEnd().length)
}

/**
 * Refuses to change the command of a job: only its arguments can be edited, because a person who may edit
 * payloads must not be able to run any command.
 *
 * @param text the stored payload
 * @throws COMMAND_NOT_EDITABLE
 */
function checkCommand(id: string, key: string, text: string, payload: unknown): void {
  if (key !== COMMAND_JOB) return
  const command = commandIn(text)
  const other = isObject(payload) ? payload.command : undefined
  if (other === command) return
  const message = `${id} runs the command ${command}; it cannot be edited to run ${shown(other)}`
  const hint = 'Only its args can be edited. Jobs.dispatchCommand() queues another command.'
  throw new JobsError('COMMAND_NOT_EDITABLE', message, { id, hint })
}

/**
 * The id that an application chooses for a job: `draft.withId('invoice-77')`. The queue has at most one job
 * with this id, as long as the record of the job is kept.
 */
import { JobsError } from '../model/errors.ts'
import { isId, MAX_ID } from '../model/id.ts'
import type { NewJob } from '../model/record.ts'
import { shown } from '../words/secret.ts'
import { type OptionsOf, option, Schema, voiceOf } from './schema.ts'

const entries = {
  /**
   * `'ended'`: if a job with this id has ended, the new job replaces it. Default: the new job is rejected.
   */
  reuse: option<'ended'>("'ended'", (value) => value === 'ended'),
}

export const idOptions = new Schema('an object', entries)

export interface IdOptions extends OptionsOf<typeof entries> {}

/** The arguments of `withId`. */
export interface OwnId {
  id: string
  options: IdOptions
}

/** A word that cannot be an id, because `Jobs.retry('failed')` retries all failed jobs. */
const RESERVED = 'failed'

/**
 * Checks an id that the application chose, and returns the fields of the record that contain the id.
 *
 * @param name the name of the class, for messages
 * @throws JOB_ID_INVALID, JOB_INVALID for wrong options
 */
export function ownIdOf({ id, options }: OwnId, name: string): Required<Pick<NewJob, 'id' | 'ownId'>> {
  // Colons are refused, because the ids of members of flows have a colon (`model/effect.ts`).
  if (!isId(id) || /[\s:]/u.test(id) || id === RESERVED)
    throw new JobsError('JOB_ID_INVALID', `${name}: withId() was given ${shown(id)}`, {
      hint: `An id is a text of 1 to ${MAX_ID} characters, without white space, colons and control characters, and not '${RESERVED}'.`,
    })
  const { reuse } = idOptions.readAll(options, voiceOf('JOB_INVALID', `${name}: withId()`, 'the options'))
  return { id, ownId: reuse === undefined ? 'new' : 'reuse' }
}

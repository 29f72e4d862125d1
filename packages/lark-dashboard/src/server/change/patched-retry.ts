/**
 * Edits the payloads of all jobs of one kind of failure with a JSON Merge Patch (RFC 7386), and retries the
 * jobs. A job that fails in the same way after the payloads were edited is retried with its payload
 * unchanged.
 */
import type { FailureFilter, RetryFilter } from '@s18i/lark-jobs/operate'
import type { Act } from '../action.ts'
import { isObject, jsonIn, refused, text } from '../guard/input.ts'
import { type ShownValue, shownError, shownValue } from '../look/shown-to-viewer.ts'
import { allowed } from './chosen.ts'
import type { Meanwhile } from './underway.ts'

/** How many jobs a dry run shows. */
const SAMPLES = 3

export interface PatchInput {
  filter: FailureFilter & { kind: string }
  /**
   * The patch: the JSON text of an object. Its fields replace the same fields of the payload, and null
   * removes a field.
   */
  patch: string
  dryRun?: boolean
}

export interface PatchedRetry {
  edited: number
  retried: number
  /** Samples of a dry run, for viewers who may see payloads. */
  samples: { id: string; queue: string; before: ShownValue; after: ShownValue }[]
}

export async function patchAndRetry(
  { operate, viewer }: Act,
  input: PatchInput,
  meanwhile: Meanwhile,
): Promise<PatchedRetry> {
  const patch = patchOf(input)
  const { kind } = input.filter
  if (!text.isRight(kind)) throw refused('filter.kind', kind, text.right)
  const filter = { ...allowed(viewer, input.filter), kind, state: 'failed' } as const
  const edit = (payload: unknown) => merged(payload, patch)
  if (input.dryRun) {
    const { edited } = await operate.edit(filter, edit, { dryRun: true, ...meanwhile })
    const { jobs } = viewer.payloads ? await operate.list(filter, { limit: SAMPLES }) : { jobs: [] }
    const samples = jobs.map(({ id, queue, payload }) => ({
      id,
      queue,
      before: shownValue(payload),
      after: shownValue(edit(payload)),
    }))
    return { edited, retried: 0, samples }
  }
  const { edited } = await operate.edit(filter, edit, { ...meanwhile }).catch((error: unknown) => {
    throw shownError(error, viewer)
  })
  if (meanwhile.signal.aborted) return { edited, retried: 0, samples: [] }
  const retried = await operate.retry(filter as RetryFilter, { ...meanwhile })
  return { edited, retried, samples: [] }
}

/** @throws INPUT_INVALID */
function patchOf(input: PatchInput): object {
  const patch = jsonIn('patch', input.patch)
  if (!isObject(patch)) throw refused('patch', patch, 'an object')
  return patch
}

function merged(value: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const all = new Map(Object.entries(isObject(value) ? value : {}))
  for (const [name, part] of Object.entries(patch))
    if (part === null) all.delete(name)
    else all.set(name, merged(all.get(name), part))
  return Object.fromEntries(all)
}

/**
 * Answers an approval: sends the signal with the answer to the job. All tokens of an approval use the same id
 * for that signal, so the store keeps only one answer, even if several answers arrive at the same time.
 */
import { signalText } from '../../step/signal.ts'
import { signalFollowed } from '../../store/contract/moved.ts'
import { findApproval } from '../look/approval.ts'
import type { Operated } from '../operated.ts'
import { full } from './send.ts'

/**
 * @returns whether this answer was accepted: false if the approval had an answer already
 * @throws APPROVAL_INVALID, PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, SIGNALS_FULL
 * @internal
 */
export async function redeem(jobs: Operated, token: unknown, value: unknown): Promise<boolean> {
  const { approval, partition, signal, once } = await findApproval(jobs, token)
  const text = await signalText({ name: signal }, value)
  if (approval.state !== 'open') return false
  const { id } = approval.job
  const sent = { name: signal, text, key: once }
  const verdict =
    partition === undefined
      ? jobs.sentNow(id, sent)
      : await signalFollowed((await jobs.open()).store, partition, id, sent)
  if (verdict === 'full') throw full(id)
  return verdict === 'kept'
}

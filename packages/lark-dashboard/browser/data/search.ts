/** Searches jobs: the browser's side of `src/server/searches.ts`. */
import type { FoundStep, SearchInput } from '../../src/server/searches.ts'
import { CallError } from './call.ts'
import { readEvents } from './events.ts'

/**
 * Resolves when the search has ended.
 *
 * @param found called with each step of the search
 * @throws CallError, with the code SERVER_UNREACHABLE if the stream breaks off; an AbortError
 */
export async function search(
  input: SearchInput,
  signal: AbortSignal,
  found: (step: FoundStep) => void,
): Promise<void> {
  let failure: CallError | undefined
  let hasEnded = false
  try {
    await readEvents(
      `api/search?input=${encodeURIComponent(JSON.stringify(input))}`,
      signal,
      (event, data) => {
        if (event === 'found') found(JSON.parse(data) as FoundStep)
        else if (event === 'end') hasEnded = true
        else if (event === 'failed') {
          const { code, message, hint } = JSON.parse(data)
          failure = new CallError(code, message, hint)
        }
      },
    )
  } catch (error) {
    if (signal.aborted || error instanceof CallError) throw error
  }
  if (failure !== undefined) throw failure
  if (!hasEnded) throw new CallError('SERVER_UNREACHABLE', 'The server of the dashboard does not answer')
}

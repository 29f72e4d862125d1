import { usageError } from '@s18i/lark/internal'
import type { Voice } from '../../options/schema.ts'

/** The texts and the error code with which commands refuse the value of a flag. */
export const flagVoice: Voice = {
  name: (path) => `--${path}`,
  error: (message, hint) => usageError(message, hint),
}

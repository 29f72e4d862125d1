import { usageError } from '@s18i/lark/internal'
import type { Voice } from '../../options/schema.ts'

/** How commands refuse the value of a flag. */
export const flagVoice: Voice = {
  name: (path) => `--${path}`,
  error: (message, hint) => usageError(message, hint),
}

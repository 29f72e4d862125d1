/** The person who looks at the dashboard, and the rights of this person. */
import { signal } from '@preact/signals'
import type { Role } from '../../src/server/guard/viewer.ts'
import { type CallError, look, type Output } from './call.ts'

export const viewer = signal<Output<'me'> | undefined>(undefined)
/** Why the viewer is unknown. */
export const stranger = signal<CallError | undefined>(undefined)

const roles: readonly Role[] = ['read', 'operate', 'admin']

export function may(role: Role): boolean {
  return viewer.value !== undefined && roles.indexOf(viewer.value.role) >= roles.indexOf(role)
}

/** Milliseconds until a server that did not answer is asked again. */
const AGAIN = 2_000

/**
 * Asks the server who the viewer is. This function is called again when the stream has ended, because the
 * session of the viewer may have ended, too.
 */
export async function meetViewer(): Promise<void> {
  try {
    viewer.value = await look('me', {})
    stranger.value = undefined
  } catch (error) {
    const { code } = error as CallError
    const isRefused = code === 'NOT_AUTHORIZED'
    if (isRefused || viewer.value === undefined) stranger.value = error as CallError
    if (!isRefused && viewer.value === undefined) setTimeout(() => void meetViewer(), AGAIN)
  }
}

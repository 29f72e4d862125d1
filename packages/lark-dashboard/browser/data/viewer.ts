/**
 * Who looks, and what they may do.
 */
import { signal } from '@preact/signals'
import type { Role } from '../../src/server/guard/viewer.ts'
import { type CallError, look, type Output } from './call.ts'

export const viewer = signal<Output<'me'> | undefined>(undefined)
/** Why nobody knows who looks. */
export const stranger = signal<CallError | undefined>(undefined)

const roles: readonly Role[] = ['read', 'operate', 'admin']

export function may(role: Role): boolean {
  return viewer.value !== undefined && roles.indexOf(viewer.value.role) >= roles.indexOf(role)
}

/** Milliseconds until a server that did not answer is asked again. */
const AGAIN = 2_000

/** Asks who looks. Called again when the stream has ended, since the session may have. */
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

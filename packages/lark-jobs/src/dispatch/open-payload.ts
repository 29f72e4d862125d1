/**
 * The payload of a node that contains open results: the payload with `null` in their places, and references
 * that say which results are filled in when the node starts.
 */
import type { Path, Reference } from '../model/flow.ts'
import { type OpenResult, openResultOf, wordsOf } from '../model/open-result.ts'
import { MAX_DEPTH } from '../model/payload.ts'
import { notKnown } from './open-result.ts'

export interface OpenPayload {
  /** The payload, with `null` for each open result. */
  payload: unknown
  /**
   * The value that functions of the class receive, such as the function of `group`. If a function reads an
   * open result in this value, the error RESULT_NOT_KNOWN is thrown.
   */
  probe: unknown
  refs: (Pick<Reference, 'at'> & OpenResult)[]
}

/** @returns undefined for a payload without open results */
export function openPayload(payload: unknown): OpenPayload | undefined {
  const refs: OpenPayload['refs'] = []
  find(payload, [], refs)
  if (refs.length === 0) return undefined
  return { payload: replaced(payload, () => null), probe: replaced(payload, probeOf), refs }
}

function find(value: unknown, at: Path, refs: OpenPayload['refs']): void {
  const open = openResultOf(value)
  if (open !== undefined) refs.push({ at, ...open })
  // A payload that is nested too deeply or has a cycle is refused later, when it is converted to JSON.
  else if (at.length < MAX_DEPTH)
    for (const [key, inner] of partsOf(value))
      if (typeof inner === 'object' || typeof inner === 'function') find(inner, [...at, key], refs)
}

/** Copies a value and replaces each open result by a value or a getter. */
function replaced(value: unknown, by: (open: OpenResult) => unknown, depth = 0): unknown {
  const open = openResultOf(value)
  if (open !== undefined) return by(open)
  const parts = partsOf(value)
  if (parts.length === 0 || depth === MAX_DEPTH) return value
  const copy: Record<string | number, unknown> | unknown[] = Array.isArray(value) ? [] : {}
  for (const [key, inner] of parts) {
    const isOpen = by === probeOf && openResultOf(inner) !== undefined
    const part = isOpen
      ? { get: () => throwRead(openResultOf(inner)!) }
      : { value: replaced(inner, by, depth + 1), writable: true }
    Object.defineProperty(copy, key, { ...part, enumerable: true, configurable: true })
  }
  return copy
}

/** The probe for a payload that consists of a single open result. */
function probeOf(open: OpenResult): unknown {
  return new Proxy(
    {},
    { get: () => throwRead(open), has: () => throwRead(open), ownKeys: () => throwRead(open) },
  )
}

function throwRead(open: OpenResult): never {
  throw notKnown(`reads ${wordsOf(open)}, which is not known when the flow is dispatched`)
}

/**
 * The parts of a list or of a plain object. Other objects are refused later, when the payload is converted to
 * JSON.
 */
function partsOf(value: unknown): [string | number, unknown][] {
  if (Array.isArray(value)) return value.map((inner, i) => [i, inner])
  if (typeof value !== 'object' || value === null) return []
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null ? Object.entries(value) : []
}

/**
 * Reads and writes bundles. A bundle is the one effect of all members of a flow that completed in one call
 * (`bundle.lua`).
 */
import type { Effect, EffectName } from '../../../model/effect.ts'
import { MAX_ITEMS } from '../../contract/store.ts'

/** The number of digits of the index in the id of a member. */
const WIDTH = 8

interface Bundle {
  /** The ids of the bundle's members begin with this text. The index of the member follows. */
  head: string
  indices: number[]
  /** When the members of the bundle ended. */
  at: number
}

/** @returns one effect for each member of these bundles */
export function readBundles(bundles: readonly string[]): Effect[] {
  return bundles.flatMap((bundle) => {
    const { head, indices, at } = parse(bundle)
    return indices.map((index): Effect => {
      const id = `${head}${String(index).padStart(WIDTH, '0')}`
      return { kind: 'member', job: { id, state: 'completed', errors: [], finishedAt: at }, bundle }
    })
  })
}

/**
 * The texts of the bundles to which the named effects belong. If only some members of a bundle are named, its
 * text contains only the indices of these members.
 */
export function namedBundles(names: readonly EffectName[]): string[] {
  const indices = new Map<string, Set<number>>()
  for (const { bundle, id } of names) {
    if (bundle === undefined) continue
    const its = indices.get(bundle) ?? new Set()
    indices.set(bundle, its.add(Number(id.slice(-WIDTH))))
  }
  return [...indices].map(([bundle, named]) => {
    const { head, indices, at } = parse(bundle)
    return named.size === indices.length ? bundle : `${head}${[...named].join(',')}|${at}`
  })
}

/** Parses the text of a bundle. A damaged text becomes a bundle without members. */
function parse(text: string): Bundle {
  const [, head = '', runs = '', at] = /^(.*:)([\d,-]+)\|(\d+)$/s.exec(text) ?? []
  const indices: number[] = []
  for (const [, first, last] of runs.matchAll(/(\d+)-?(\d*)/g))
    for (let index = Number(first); index <= Number(last || first) && indices.length < MAX_ITEMS; index++)
      indices.push(index)
  return { head, indices, at: Number(at) }
}

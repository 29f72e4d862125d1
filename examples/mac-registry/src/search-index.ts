/** The search index has the words by which each block is found. */
import { Journal } from './journal'
import type { Block } from './registry'

export interface IndexEntry {
  /** The block's. */
  id: string
  words: string[]
}

export const searchIndex = new Journal<IndexEntry>('search-index')

const ENTITIES: Record<string, string> = { '&amp;': '&', '&quot;': '"', '&lt;': '<', '&gt;': '>' }

/**
 * Returns the words of a block: its prefix and the name of its registrant, in lower case, without accents or
 * HTML entities.
 */
export function words(block: Block): string[] {
  const name = block.registrant.replace(/&\w+;/g, (entity) => ENTITIES[entity] ?? entity)
  return [block.id.toLowerCase(), ...split(name)]
}

/** Returns the ids of the blocks that have, for each word of the query, a word with this beginning. */
export async function search(query: string): Promise<string[]> {
  const wanted = split(query)
  const entries = await searchIndex.read()
  return entries
    .filter((entry) => wanted.every((start) => entry.words.some((word) => word.startsWith(start))))
    .map((entry) => entry.id)
}

/** NFKD separates accents from their letters, and replaces full-width letters by ordinary letters. */
function split(text: string): string[] {
  return (
    text
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  )
}

/** The search index: of each block, the words by which it is found. */
import { Journal } from './journal'
import type { Block } from './registry'

export interface IndexEntry {
  /** The block's. */
  id: string
  words: string[]
}

export const searchIndex = new Journal<IndexEntry>('search-index')

const ENTITIES: Record<string, string> = { '&amp;': '&', '&quot;': '"', '&lt;': '<', '&gt;': '>' }

/** The words of a block: its prefix and its registrant's name, in lower case, without accents or HTML entities. */
export function words(block: Block): string[] {
  const name = block.registrant.replace(/&\w+;/g, (entity) => ENTITIES[entity] ?? entity)
  return [block.id.toLowerCase(), ...split(name)]
}

/** The ids of the blocks that have, for each word of the query, a word that begins with it. */
export async function search(query: string): Promise<string[]> {
  const wanted = split(query)
  const entries = await searchIndex.read()
  return entries
    .filter((entry) => wanted.every((start) => entry.words.some((word) => word.startsWith(start))))
    .map((entry) => entry.id)
}

/** NFKD takes accents off their letters and makes full-width forms plain. */
function split(text: string): string[] {
  return (
    text
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  )
}

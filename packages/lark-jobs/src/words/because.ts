/** The reason why a job was put back or cancelled: a text for people, from its handler or from a person. */

/** The longest reason that is kept, in characters. Longer reasons are cut. */
const MAX_BECAUSE = 200

/** The part of a text that is kept. Undefined if it is empty. */
export function keptBecause(text: string | undefined): string | undefined {
  // The text is not cut within a surrogate pair, because half of a pair would be stored as another character.
  // The character `\x1e` is replaced, because it marks stranded jobs (`store/contract/rules/reason.ts`).
  const kept = text?.replaceAll('\x1e', ' ')
  return kept ? kept.slice(0, MAX_BECAUSE).replace(/[\ud800-\udbff]$/, '') : undefined
}

/**
 * Why a job was put back or cancelled: what its handler or a person wrote, for people.
 */

/** The most characters that are kept. */
const MAX_BECAUSE = 200

/** The part of a text that is kept; undefined if it is empty. */
export function keptBecause(text: string | undefined): string | undefined {
  // Half of a surrogate pair would be stored as another character, and the character `\x1e` marks stranded
  // jobs (`store/contract/rules/reason.ts`).
  const kept = text?.replaceAll('\x1e', ' ')
  return kept ? kept.slice(0, MAX_BECAUSE).replace(/[\ud800-\udbff]$/, '') : undefined
}

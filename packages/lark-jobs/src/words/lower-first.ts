/**
 * Makes the first letter small, so that a sentence can be a part of another sentence: `Its queue is paused`
 * becomes `its queue is paused`.
 */
export function lowerFirst(text: string): string {
  return text[0]!.toLowerCase() + text.slice(1)
}

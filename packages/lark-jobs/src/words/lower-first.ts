/** A sentence as a part of another one: `Its queue is paused` becomes `its queue is paused`. */
export function lowerFirst(text: string): string {
  return text[0]!.toLowerCase() + text.slice(1)
}

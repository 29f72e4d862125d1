/**
 * "Did you mean": the candidate that is the fewest edits away from a mistyped word. An edit is a letter
 * added, dropped, changed, or swapped with its neighbour.
 */

/**
 * The maximum length of a word that is compared, in letters. There is a limit because the time of a
 * comparison grows with the square of the length.
 */
const LONGEST = 64

/**
 * The candidate nearest to `word`; undefined if no candidate is near enough, or if the word has more than 64
 * letters. A third of the letters of the word may differ, and at least two letters.
 *
 * ```ts
 * nearest('qeues', ['queues', 'connection']) // 'queues'
 * ```
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > LONGEST) return undefined
  const furthest = Math.max(2, Math.floor(word.length / 3))
  let best: string | undefined
  let least = furthest + 1
  for (const candidate of candidates) {
    // The lengths of the two words differ by `least` or more, so this candidate cannot be nearer.
    if (Math.abs(candidate.length - word.length) >= least) continue
    const edits = distance(word.toLowerCase(), candidate.toLowerCase())
    // A candidate that is not longer than the number of edits would match any word.
    if (edits < least && edits < candidate.length) {
      best = candidate
      least = edits
    }
  }
  return best
}

/**
 * The optimal string alignment distance of two words. Only three rows of the matrix are in memory at a time.
 */
function distance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      let edits = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped && row > 1 && column > 1) edits = Math.min(edits, beforeLast[column - 2]! + 1)
      current.push(edits)
    }
    beforeLast = last
    last = current
  }
  return last[to.length]!
}

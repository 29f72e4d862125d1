/** Statistics of samples. */

export function median(samples) {
  return percentile(samples, 50)
}

/**
 * The sample below which `percent` of all samples lie. If this place is between two samples, the mean of
 * both.
 */
export function percentile(samples, percent) {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = ((sorted.length - 1) * percent) / 100
  return (sorted[Math.floor(at)] + sorted[Math.ceil(at)]) / 2
}

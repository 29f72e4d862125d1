/** Statistics of samples. */

export function median(samples) {
  return percentile(samples, 50)
}

/**
 * Returns the sample below which `percent` of all samples lie. If this position is between two samples,
 * returns their mean.
 */
export function percentile(samples, percent) {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = ((sorted.length - 1) * percent) / 100
  return (sorted[Math.floor(at)] + sorted[Math.ceil(at)]) / 2
}

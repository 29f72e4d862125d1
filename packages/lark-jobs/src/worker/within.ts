/**
 * Waits for a promise, but not longer than `ms` milliseconds. Leaves no timer behind, and does not care how the
 * promise ends.
 */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise.catch(() => {}), late])
  clearTimeout(timer)
}

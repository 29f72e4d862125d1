/**
 * Keeps every ended job, so that all jobs can be accounted for. Users cannot configure this, and roles use
 * Lark like users, so this file changes the defaults before the store is made.
 */
const { RETENTION } = await import(new URL('dispatch.js', import.meta.resolve('@s18i/lark-jobs')))

for (const state of ['completed', 'failed', 'cancelled'])
  Object.assign(RETENTION[state], { count: 10_000_000, age: 7 * 86_400_000 })

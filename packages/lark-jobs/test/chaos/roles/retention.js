/**
 * Every ended job is kept, so that all can be accounted for. A user cannot set this, and a role is a user otherwise:
 * so the defaults themselves are changed, before the store is made.
 */
const { RETENTION } = await import(new URL('dispatch.js', import.meta.resolve('@s18i/lark-jobs')))

for (const state of ['completed', 'failed', 'cancelled'])
  Object.assign(RETENTION[state], { count: 10_000_000, age: 7 * 86_400_000 })

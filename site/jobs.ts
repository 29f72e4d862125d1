/**
 * What `Jobs` of `@s18i/lark-jobs` has, and what `createJobs()` returns. (The package exports the instance and its type,
 * not the class.)
 *
 * @module Jobs
 */
export { Jobs } from '../packages/lark-jobs/src/api/jobs.ts'

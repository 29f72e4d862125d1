/** The steps of `lark init`, in one file of the built package, which no other command loads. */
export { install } from './install.ts'
export { managerWords } from './package-manager.ts'
export { makePlan } from './plan.ts'
export { survey } from './survey.ts'
export { writeAll } from './write.ts'

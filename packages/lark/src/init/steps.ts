/** Exports the steps of `lark init`. The build makes one file of them, which no other command loads. */
export { install } from './install.ts'
export { managerWords } from './package-manager.ts'
export { makePlan } from './plan.ts'
export { survey } from './survey.ts'
export { writeAll } from './write.ts'

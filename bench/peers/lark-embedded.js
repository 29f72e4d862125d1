/** Lark on its embedded store: one SQLite file in WAL mode, synchronous NORMAL. */
export { open } from './lark.js'
export const title = 'Lark'
export const store = 'file'

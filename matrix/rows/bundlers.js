// Bundlers: each makes one file of the program. It is tried three times: alone in a folder, without the lease thread;
// with the file of the thread beside it; and on SQLite, with the driver's package beside it.
/** @type {import('../harness/row.js').Row[]} */
export const rows = []

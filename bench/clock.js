/** Milliseconds on a clock that every process of this machine reads alike. */
export function now() {
  return Number(process.hrtime.bigint()) / 1e6
}

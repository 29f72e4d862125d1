/** Amounts of memory in the form in which people write and read them. */

const units = { kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 }

/** The end of a message that contains "it must be". */
export const bytesForm = 'a whole number with kb, mb or gb'

/** `'512mb'` → 536,870,912. Undefined for any other value. */
export function bytesIn(text: unknown): number | undefined {
  const [, count, unit] = /^([1-9]\d{0,8})\s*([kmg]b)$/i.exec(typeof text === 'string' ? text : '') ?? []
  return count === undefined ? undefined : Number(count) * units[unit!.toLowerCase() as keyof typeof units]
}

export function inMb(bytes: number): number {
  return Math.round(bytes / units.mb)
}

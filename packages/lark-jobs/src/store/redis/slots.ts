/**
 * In which of a cluster's 16,384 slots a key lies: the CRC16 (XMODEM) of its hash tag, or of all of it.
 */

export const SLOTS = 16_384

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

export function slotOf(key: string): number {
  const open = key.indexOf('{')
  const close = key.indexOf('}', open + 1)
  const tag = open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key
  let crc = 0
  for (const byte of Buffer.from(tag)) crc = ((crc << 8) & 0xffff) ^ table[(crc >> 8) ^ byte]!
  return crc % SLOTS
}

/**
 * A key that never exists, in the same slot. A script is given it as KEYS[2] on a cluster. While a slot is on its way
 * from one node to another, its keys lie in two places, and a script that began on either would see half of a
 * partition. But a server refuses a call that names several keys of which one is not there (TRYAGAIN) for as long as
 * the slot is open, before anything is done. So one that is never there closes the partition for that time.
 */
export function absentKey(key: string): string {
  return `${key.slice(0, key.indexOf('}') + 1)}:absent`
}

/**
 * Computes in which of the 16,384 slots of a cluster a key is. The slot is the CRC16 (XMODEM) of the key's
 * hash tag, or of the whole key if it has no hash tag.
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
 * Makes the name of a key that is in the same slot and never exists. On a cluster, scripts get this key as
 * KEYS[2], so that they do not run while the slot is moving. During a move, the keys of the slot are on two
 * nodes, and a script on either node would see only half of a partition. But while a slot moves, the server
 * refuses a call with several keys if one of these keys is missing (TRYAGAIN), and the call changes nothing.
 * Because this key is always missing, the server refuses every script on the partition until the move is
 * over.
 */
export function absentKey(key: string): string {
  return `${key.slice(0, key.indexOf('}') + 1)}:absent`
}

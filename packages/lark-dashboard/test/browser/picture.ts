/**
 * Takes a picture of a page with a palette of at most 256 colours. The picture has a third of the bytes of a
 * picture without a palette.
 */
import { crc32, deflateSync } from 'node:zlib'
import type { Page } from 'playwright-core'

export interface Picture {
  width: number
  height: number
  /** How many colours the page has. */
  colours: number
  png: Buffer
}

interface Indexed {
  width: number
  height: number
  colours: number
  /**
   * The palette has three bytes for each colour, the picture has one byte for each point. Both are base64.
   */
  palette: string
  points: string
}

/**
 * This code runs in a browser, which decodes the picture. The palette has the most common colours, and rare
 * colours that differ from all of these, such as the red of one small number. Each other colour is replaced
 * by the nearest colour of the palette.
 */
const INDEX = `async (png) => {
  const bitmap = await createImageBitmap(await (await fetch('data:image/png;base64,' + png)).blob())
  const { width, height } = bitmap
  const context = new OffscreenCanvas(width, height).getContext('2d')
  context.drawImage(bitmap, 0, 0)
  const all = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer)
  const counts = new Map()
  for (const colour of all) counts.set(colour, (counts.get(colour) ?? 0) + 1)
  const common = [...counts].sort((one, other) => other[1] - one[1]).map(([colour]) => colour)
  const parts = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255]
  const palette = common.slice(0, 192).map(parts)
  const far = (one, other) => one.reduce((sum, part, i) => sum + (part - other[i]) ** 2, 0)
  const others = common.slice(192).map((colour) => {
    const own = parts(colour)
    return { own, least: Math.min(...palette.map((each) => far(each, own))) }
  })
  while (palette.length < 256 && others.length > 0) {
    const next = others.reduce((one, other) => (other.least > one.least ? other : one)).own
    palette.push(next)
    for (const each of others) each.least = Math.min(each.least, far(next, each.own))
  }
  const indexes = new Map()
  for (const colour of counts.keys()) {
    const own = parts(colour)
    let best = 0
    for (let i = 1; i < palette.length; i++) if (far(palette[i], own) < far(palette[best], own)) best = i
    indexes.set(colour, best)
  }
  const base64 = (bytes) => {
    let text = ''
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
    return btoa(text)
  }
  const points = base64(Uint8Array.from(all, (colour) => indexes.get(colour)))
  return { width, height, colours: counts.size, palette: base64(Uint8Array.from(palette.flat())), points }
}`

/** @param blank a page without a content security policy, in which the picture is decoded */
export async function takePicture(page: Page, blank: Page): Promise<Picture> {
  const taken = await page.screenshot()
  const { width, height, colours, palette, points } = await blank.evaluate<Indexed>(
    `(${INDEX})('${taken.toString('base64')}')`,
  )
  const flat = Buffer.from(points, 'base64')
  const rows: Buffer[] = []
  // Each row begins with the number of its filter. 0 means no filter.
  for (let y = 0; y < height; y++) rows.push(Buffer.from([0]), flat.subarray(y * width, (y + 1) * width))
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 3, 0, 0, 0], 8)
  const png = Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk('IHDR', head),
    chunk('PLTE', Buffer.from(palette, 'base64')),
    chunk('IDAT', deflateSync(Buffer.concat(rows), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
  return { width, height, colours, png }
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const whole = Buffer.alloc(body.length + 8)
  whole.writeUInt32BE(data.length, 0)
  body.copy(whole, 4)
  whole.writeUInt32BE(crc32(body), body.length + 4)
  return whole
}

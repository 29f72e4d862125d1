/** Compresses answers with gzip, for browsers that accept it. */

/** Texts with fewer characters than this are not compressed. */
const WORTH_PACKING = 1_024

/** Whether an answer with this text is compressed. */
export function isPacked(request: Request, text: string): boolean {
  return text.length >= WORTH_PACKING && /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '')
}

export const packedHeaders = { 'content-encoding': 'gzip', vary: 'accept-encoding' } as const

export async function packed(text: string): Promise<ArrayBuffer> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))
  return await new Response(stream).arrayBuffer()
}

/**
 * Serves the files that a browser loads: one document for every page of the dashboard, and the files that the
 * document names.
 */
import { LarkError } from '@s18i/lark/config'
import { secured } from './guard/security-headers.ts'
import { isPacked, packed, packedHeaders } from './packed.ts'

/** The colours that an installation can have. */
export const colours = ['red', 'orange', 'green', 'blue', 'violet', 'grey'] as const

export interface DashboardEnvironment {
  name: string
  /** Default: `grey`. */
  colour?: (typeof colours)[number]
}

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
}

export class Page {
  readonly #environment: DashboardEnvironment | undefined
  /** The files compressed with gzip, by name. */
  readonly #packed = new Map<string, Promise<ArrayBuffer>>()

  /** @throws DASHBOARD_INVALID */
  constructor(environment: DashboardEnvironment | undefined) {
    this.#environment = environment
    const { name, colour = 'grey' } = environment ?? { name: 'none' }
    if (typeof name !== 'string' || !colours.includes(colour))
      throw new LarkError(
        'DASHBOARD_INVALID',
        `dashboard(): environment is ${JSON.stringify(environment)}; it must have a name, and a colour of ${colours.join(', ')}`,
      )
  }

  /** @returns undefined if there is no such file */
  async file(path: string, request: Request): Promise<Response | undefined> {
    const { files } = await import('./page.generated.ts')
    const text = Object.hasOwn(files, path) ? files[path] : undefined
    if (text === undefined) return undefined
    const type = types[path.slice(path.lastIndexOf('.'))]!
    // The names of all files except the icon change with their contents.
    const cache = path === 'icon.svg' ? 'public, max-age=86400' : 'public, max-age=31536000, immutable'
    return await this.#answer(request, text, `${type}; charset=utf-8`, cache, path)
  }

  /** @param base the path below which the dashboard is, without a slash at its end */
  async document(request: Request, base: string): Promise<Response> {
    const { script, style } = await import('./page.generated.ts')
    const { name, colour = 'grey' } = this.#environment ?? {}
    const environment =
      name === undefined ? '' : ` data-environment="${escaped(name)}" data-colour="${colour}"`
    const html = `<!doctype html>
<html lang="en"${environment}>
<head>
<meta charset="utf-8">
<base href="${escaped(base)}/">
<title>Lark</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
</head>
<body><noscript>The dashboard needs JavaScript.</noscript></body>
</html>
`
    return await this.#answer(request, html, 'text/html; charset=utf-8', 'no-store')
  }

  async #answer(
    request: Request,
    text: string,
    type: string,
    cache: string,
    name?: string,
  ): Promise<Response> {
    const headers = { 'content-type': type, 'cache-control': cache, ...secured }
    const isHead = request.method === 'HEAD'
    if (name === undefined || !isPacked(request, text)) return new Response(isHead ? null : text, { headers })
    const kept = this.#packed.get(name) ?? packed(text)
    this.#packed.set(name, kept)
    const body = await kept
    return new Response(isHead ? null : body, {
      headers: { ...headers, ...packedHeaders },
    })
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

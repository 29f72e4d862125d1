/**
 * An npm registry on this machine, for the tests of a release. The registry accepts the published packages,
 * and serves the installed packages of the repository as their dependencies.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { read, root } from './source.ts'

interface Manifest {
  name: string
  version: string
  dist?: { tarball: string }
  [field: string]: unknown
}

/** The body of the request that `npm publish` sends. */
export interface Published {
  name: string
  access: string
  'dist-tags': Record<string, string>
  versions: Record<string, Manifest>
  _attachments: Record<string, { data: string }>
}

type Locked = { version: string; os?: string[]; cpu?: string[] }

export class Registry implements AsyncDisposable {
  readonly published = new Map<string, Published>()
  readonly #locked: Record<string, Locked> = JSON.parse(read('package-lock.json')).packages
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(JSON.stringify({ error: String(error) }))
      })
    })
  }

  static async start(): Promise<Registry> {
    const registry = new Registry()
    await new Promise<void>((listening) => registry.#server.listen(0, '127.0.0.1', listening))
    return registry
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }

  /**
   * Adds a packed package as if it were published. The version of the package becomes the latest version, and
   * earlier versions stay.
   */
  take(tarball: string): void {
    const manifest = JSON.parse(
      execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }),
    ) as Manifest
    const { name, version } = manifest
    const before = this.published.get(name)
    const data = readFileSync(tarball).toString('base64')
    this.published.set(name, {
      name,
      access: 'public',
      'dist-tags': { latest: version },
      versions: { ...before?.versions, [version]: manifest },
      _attachments: { ...before?._attachments, [`${name}-${version}.tgz`]: { data } },
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(new URL(request.url!, this.url).pathname.slice(1))
    if (request.method === 'PUT') {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      this.published.set(path, JSON.parse(Buffer.concat(chunks).toString()) as Published)
      response.writeHead(201).end('{}')
      return
    }
    const [, place] = /^-\/files\/(.*)\.tgz$/.exec(path) ?? []
    if (place !== undefined) {
      response.end(this.#file(place))
      return
    }
    const document = this.#published(path) ?? this.#installed(path)
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document ?? { error: 'not found' }))
  }

  #published(name: string) {
    const found = this.published.get(name)
    if (found === undefined) return undefined
    const versions = Object.entries(found.versions).map(([version, manifest]) => {
      const tarball = `${this.url}-/files/${name}-${version}.tgz`
      return [version, { ...manifest, dist: { ...manifest.dist, tarball } }] as const
    })
    return { name, 'dist-tags': found['dist-tags'], versions: Object.fromEntries(versions) }
  }

  /** Returns all versions of a package in the repository. Versions for other platforms have no file. */
  #installed(name: string) {
    const places = Object.keys(this.#locked).filter((place) => place.endsWith(`node_modules/${name}`))
    const versions = places.map((place): Manifest => {
      const { version, os, cpu } = this.#locked[place]!
      const isHere = existsSync(join(root, place, 'package.json'))
      // npm does not record the libc of a package, so packages that are not installed here count as packages
      // for another system.
      const own = isHere
        ? JSON.parse(read(`${place}/package.json`))
        : { name, version, os, cpu, libc: ['other'] }
      return { ...own, dist: { tarball: `${this.url}-/files/${place}.tgz` } }
    })
    if (versions.length === 0 || name.startsWith('@s18i/')) return undefined
    return {
      name,
      'dist-tags': { latest: versions[0]!.version },
      versions: Object.fromEntries(versions.map((each) => [each.version, each])),
    }
  }

  #file(place: string): Buffer {
    const attached = [...this.published.values()].map((each) => each._attachments[`${place}.tgz`])
    const published = attached.find((each) => each !== undefined)
    if (published !== undefined) return Buffer.from(published.data, 'base64')
    const words = [
      '-cz',
      '--exclude=./node_modules',
      '--transform=s,^[.],package,',
      '-C',
      join(root, place),
      '.',
    ]
    return execFileSync('tar', words, { maxBuffer: 2 ** 28 })
  }
}

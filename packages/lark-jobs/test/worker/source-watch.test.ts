/** The changes in a project that count as changes of its sources. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SourceWatch } from '../../src/supervisor/source-watch.ts'

async function project() {
  const root = await mkdtemp(join(tmpdir(), 'lark-sources-'))
  const write = async (...paths: string[]) => {
    for (const path of paths) {
      await mkdir(join(root, path, '..'), { recursive: true })
      await writeFile(join(root, path), `${Math.random()}`)
    }
  }
  await write('src/jobs/A.ts', 'node_modules/x/index.js', 'dist/A.js', '.lark/jobs.db', 'lark.config.ts')
  const told: string[][] = []
  let heard = () => {}
  const sources = new SourceWatch(root, (files) => {
    told.push(files.sort())
    heard()
  })
  await sources.start()
  return {
    root,
    write,
    told,
    /** Resolves when a change was reported. */
    next: () =>
      new Promise<void>((resolve) => {
        heard = resolve
      }),
    async [Symbol.asyncDispose]() {
      await sources.stop()
      await rm(root, { recursive: true })
    },
  }
}

test('changes of sources and of the configuration are reported, also in new folders, and simultaneous changes together', async () => {
  await using it = await project()
  let next = it.next()
  await it.write('src/jobs/A.ts', 'lark.config.ts')
  await next
  expect(it.told).toEqual([['lark.config.ts', 'src/jobs/A.ts']])
  next = it.next()
  await it.write('src/mail/deep/B.mts')
  await next
  next = it.next()
  await it.write('src/mail/deep/B.mts')
  await next
  expect(it.told.at(-1)).toEqual(['src/mail/deep/B.mts'])
  next = it.next()
  await rename(join(it.root, 'src/mail/deep/B.mts'), join(it.root, 'src/mail/deep/C.mts'))
  await next
  expect(it.told.at(-1)).toEqual(['src/mail/deep/B.mts', 'src/mail/deep/C.mts'])
})

test('changes of packages, builds, hidden folders, the store, and files that jobs write are not reported', async () => {
  await using it = await project()
  const next = it.next()
  await it.write(
    'node_modules/x/index.js',
    'dist/A.js',
    '.lark/jobs.db',
    '.git/x.js',
    'jobs.db',
    'jobs.db-wal',
  )
  await it.write('src/jobs/report.json', 'out.log', 'build/new/A.js', 'src/.A.ts.swp')
  await it.write('.env')
  await next
  expect(it.told).toEqual([['.env']])
})

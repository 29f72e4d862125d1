import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KnownJobs } from '../../src/api/dispatch-by-key.ts'
import type { Settings } from '../../src/config/config.ts'
import { defineJob, Job } from '../../src/index.ts'
import { definitions } from '../../src/options/definitions.ts'
import { registryOf } from '../../src/options/registry.ts'

let folder: string
/**
 * The objects that the files of the test application use. The files are outside of the workspace, so they
 * cannot import these objects.
 */
const given = globalThis as { larkTest?: object }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lark-known-'))
  await mkdir(join(folder, 'jobs'))
  given.larkTest = { defineJob, Job, tries: 0 }
})
afterEach(async () => {
  delete given.larkTest
  await rm(folder, { recursive: true })
})

const write = (name: string, text: string) => writeFile(join(folder, 'jobs', name), text)
const knownJobs = () => new KnownJobs(async () => ({ folder }) as Settings)

test('a job that was defined without a handler gets its handler from the folder of jobs', async () => {
  await write('letter.mjs', `export const letter = globalThis.larkTest.defineJob({ key: 'known-letter' })`)
  const known = knownJobs()
  expect((await known.find('known-letter')).name).toBe('known-letter')
})

test('a search for job classes that failed is repeated', async () => {
  await write(
    'bad.mjs',
    `const { Job } = globalThis.larkTest
     export class BadJob extends Job { key = 'known-bad'; tries = globalThis.larkTest.tries; handle() {} }`,
  )
  const known = knownJobs()
  await expect(known.find('known-bad')).rejects.toMatchObject({ code: 'JOB_INVALID' })
  Object.assign(given.larkTest!, { tries: 3 })
  expect((await known.find('known-bad')).name).toBe('BadJob')
})

test('if a key is defined twice, a worker runs the later definition, although the folder of jobs exports the earlier one', async () => {
  await write(
    'twice.mjs',
    `export const twice = globalThis.larkTest.defineJob({ key: 'known-twice' }).handle(() => 1)`,
  )
  await registryOf(undefined, folder)
  const earlier = definitions.get('known-twice')
  const later = defineJob({ key: 'known-twice' }).handle(() => 2)
  const { registry } = await registryOf(undefined, folder)
  expect(registry.find('known-twice')?.Class).toBe(later)
  const unset = defineJob({ key: 'known-twice' })
  expect(definitions.get('known-twice')).toBe(unset)
  expect((await registryOf(undefined, folder)).registry.find('known-twice')?.Class).toBe(earlier)
})

/**
 * The rules for the sources (docs/architecture.md). No file imports from a higher floor (layer) or in a
 * circle, including types. No file is too long, and no folder has too many files.
 */
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as internal from '../packages/lark-jobs/src/internal.ts'
import {
  commentLines,
  earlyReturns,
  filesBelow,
  type Import,
  importsOf,
  read,
  root,
  spreadsOfUndefined,
} from './source.ts'

// js-yaml has no types of its own.
const { load } = createRequire(import.meta.url)('js-yaml') as { load: (text: string) => unknown }

/**
 * The floors of each package, the ground floor first. A file imports from its own floor and from lower
 * floors. `folder/*` stands for every file in the folder.
 */
const floors: Record<string, string[][]> = {
  'packages/lark/src': [
    ['brand.ts', 'defined.ts', 'errors.ts', 'scan-program.ts', 'words/*'],
    // the project around the program
    ['project/*'],
    ['config.ts'],
    ['internal.ts'],
    ['console/*'],
    // one command
    ['command/*'],
    ['usage.ts'],
    // all commands
    ['catalog/*'],
    // what `lark init` writes
    ['init/*'],
    ['commands/*'],
    ['call.ts'],
    ['application.ts'],
    ['index.ts', 'bin.ts', 'testing.ts'],
  ],
  'packages/lark-jobs/src': [
    // words of messages and screens, and ways to await a promise: neither knows a job
    ['words/*', 'waiting/*'],
    ['model/*'],
    ['options/*'],
    ['store/contract/*'],
    ['store/sql/*', 'store/sqlite/*', 'store/redis/*'],
    // from a name to a store
    ['store/connect.ts'],
    // when schedules tick, how flows advance, and how both are kept
    ['schedule/*', 'flow/*'],
    // what a run records of its steps, and what it waits for
    ['step/*'],
    // A run does not know its caller, which is a worker or `dispatchNow`.
    ['run/*', 'dispatch/*'],
    // rows in the database of the application, and their relay
    ['outbox/*'],
    ['worker/*'],
    ['supervisor/*'],
    // processes of their own for classes that may be killed
    ['isolation/*'],
    ['config/*'],
    ['operate/*'],
    // what machines ask: metrics, and whether a worker is well
    ['telemetry/look.ts', 'telemetry/levels.ts', 'telemetry/prometheus/*', 'telemetry/health/*'],
    // the only files that import the API of OpenTelemetry
    ['telemetry/otel/*'],
    ['api/*'],
    // a fake of all this for tests of applications
    ['testing/*'],
    // what the package exports
    ['index.ts', 'operate.ts', 'otel.ts', 'testing.ts', 'internal.ts', 'isolated.ts'],
    ['commands/*'],
  ],
  'packages/lark-dashboard/src': [
    ['errors.ts', 'server/guard/*', 'server/page.generated.ts'],
    // what the store has, shared by all viewers
    ['server/look/*'],
    // what can be taken back, and what outlasts its request
    ['server/change/undo.ts', 'server/change/underway.ts'],
    ['server/action.ts'],
    ['server/change/*'],
    ['server/actions.ts'],
    ['server/packed.ts', 'server/page.ts', 'server/streams.ts'],
    ['server/searches.ts'],
    ['server/dashboard.ts'],
    // where it is reached
    ['server/serve/*'],
    ['index.ts', 'commands/*'],
  ],
  'packages/lark-bullmq/src': [
    ['errors.ts'],
    // what BullMQ has, how the rest is refused, and what its options are in Lark
    ['compared/*'],
    ['job/priority.ts', 'job/own-id.ts', 'job/kept-jobs.ts', 'job/record.ts', 'job/repeat-options.ts'],
    ['flow/flow-rules.ts', 'queue/schedule-name.ts', 'queue/queue-name.ts'],
    // what imports jobs, and what checks code, know none of the classes
    ['import/*', 'check/*'],
    // which store
    ['store/*', 'events/emitter.ts'],
    // what one job says, and what it was
    [
      ...[
        'every-job',
        'alter-job',
        'job-options',
        'job-state',
        'changed-data',
        'dependencies',
        'ending-errors',
        'job-json',
        'purged',
        'reports',
        'retrying',
        'running-before',
      ].map((name) => `job/${name}.ts`),
      'job/returned-value.ts',
    ],
    ['flow/flow-node.ts', 'flow/flow-tree.ts', 'flow/job-children.ts'],
    ['flow/added-children.ts'],
    ['job/bull-job.ts'],
    ['queue/job-schedulers.ts'],
    ['queue/job-scheduler.ts'],
    ['queue/queue-metrics.ts'],
    ['queue/queue.ts'],
    ['flow/*', 'worker/*', 'events/*'],
    ['nest/tokens.ts', 'nest/options.ts', 'nest/hosts.ts'],
    ['nest/decorators.ts'],
    ['nest/registrar.ts'],
    ['nest/module.ts'],
    ['index.ts', 'nest/nest.ts', 'commands/*'],
  ],
  'packages/lark-jobs-bench/src': [['figure.ts', 'advice.ts', 'place.ts'], ['measures.ts'], ['commands/*']],
}

/**
 * The maximum number of lines. If a file is longer, check whether it holds two nouns. Do not split a noun to
 * satisfy this number.
 */
const LONGEST = 500
const mayBeLonger: Record<string, string> = {
  'packages/lark-bullmq/src/check/usage.ts':
    'what the syntax of a file tells, over names that its parts share',
  'packages/lark-bullmq/src/compared/compared.ts': 'each name of BullMQ, in one table',
  'packages/lark-bullmq/src/job/bull-job.ts': 'what a job of BullMQ has',
  'packages/lark-bullmq/src/queue/queue.ts': 'what a queue of BullMQ has',
  'packages/lark-bullmq/src/worker/worker.ts': 'what a worker of BullMQ has',
  'packages/lark-jobs/src/api/job.ts': 'all that a class may say and call, with what each does',
  'packages/lark-jobs/src/flow/flow-book.ts': 'each change of a flow, around the same write',
  'packages/lark-jobs/src/operate/operate.ts': 'what `operate()` has, with what each call does',
  'packages/lark-jobs/src/step/steps.ts': 'all that a run of steps may call, around the same journal',
  'packages/lark-jobs/src/store/contract/store.ts': 'what each verb of a store promises',
  'packages/lark-jobs/src/store/redis/store.ts': 'a method for each verb of the contract',
  'packages/lark-jobs/src/store/sqlite/store.ts': 'a method for each verb of the contract',
}

for (const [folder, table] of Object.entries(floors)) {
  describe(folder, () => {
    const files = filesBelow(folder, '.ts')
    const imports = new Map(files.map((file) => [file, importsOf(folder, file)]))

    it('has a floor for every file, and no floor without files', () => {
      expect(files.filter((file) => floorOf(file, table) === -1)).toEqual([])
      expect(table.flat().filter((place) => !files.some((file) => isAt(file, place)))).toEqual([])
    })

    it('imports nothing that does not exist', () => {
      expect(relative(imports).filter(([, to]) => !files.includes(to))).toEqual([])
    })

    it('imports nothing from above', () => {
      const upward = relative(imports).filter(([from, to]) => floorOf(to, table) > floorOf(from, table))
      expect(upward.map(([from, to]) => `${from} imports ${to}`)).toEqual([])
    })

    it('has no circles', () => {
      expect(circle(imports)).toBeUndefined()
    })

    it(`has no file of more than ${LONGEST} lines that does not say why`, () => {
      const long = files
        .filter((file) => !file.endsWith('.generated.ts'))
        .map((file) => `${folder}/${file}`)
        .filter((file) => read(file).split('\n').length - 1 > LONGEST)
      const allowed = Object.keys(mayBeLonger).filter((file) => file.startsWith(`${folder}/`))
      expect(long).toEqual(allowed)
    })
  })
}

describe('the rooms of lark-jobs', () => {
  // `operate/operated.ts` only names the types of what an instance gives to the rooms that use it.
  const apart = 'operate/operated.ts'

  it('have no circles', () => {
    const imports = new Map<string, Import[]>()
    for (const each of everyImport('packages/lark-jobs/src')) {
      const [from, to] = [roomOf(each.importer), each.file && roomOf(each.file)]
      if (to !== undefined && to !== from && each.importer !== apart)
        imports.set(from, [...(imports.get(from) ?? []), { ...each, file: to }])
    }
    expect(circle(imports)).toBeUndefined()
  })
})

describe('a folder', () => {
  const reason = 'This folder has more than 25 files:'

  it('has at most 25 files, unless its first file says why', () => {
    const large = ['bench', 'examples', 'matrix', 'packages', 'scripts', 'test'].flatMap((place) =>
      foldersIn(place).filter(({ files }) => files.length > 25),
    )
    const silent = large.filter(({ folder, files }) => !read(`${folder}/${files[0]}`).includes(reason))
    expect(silent.map(({ folder, files }) => `${folder}: ${files.length} files, first ${files[0]}`)).toEqual(
      [],
    )
  })
})

/**
 * Returns a folder and the folders below it, with the sorted names of their files, without installed and
 * built files.
 */
function foldersIn(folder: string): { folder: string; files: string[] }[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true })
  const isMade = (name: string) => /^(node_modules|dist|\..*)$|\.generated\.|\.tsbuildinfo$/.test(name)
  const inside = entries.filter(({ name }) => !isMade(name))
  const files = inside.filter((entry) => entry.isFile()).map(({ name }) => name)
  const below = inside.filter((entry) => entry.isDirectory())
  return [{ folder, files: files.sort() }, ...below.flatMap(({ name }) => foldersIn(`${folder}/${name}`))]
}

/** Returns the room of a file: its top folder, or the folder below `store` or `operate`. */
function roomOf(file: string): string {
  const [first, ...rest] = file.split('/')
  if (rest.length === 0 || (first !== 'store' && first !== 'operate')) return first!
  return `${first}/${rest[0]}`
}

describe('between the packages', () => {
  const lark = everyImport('packages/lark/src')
  const jobs = everyImport('packages/lark-jobs/src')

  it('@s18i/lark never imports @s18i/lark-jobs', () => {
    expect(lark.filter(({ from }) => from.startsWith('@s18i/'))).toEqual([])
  })

  it('the dashboard uses only the exports of /operate, and one type from the rest of the queue', () => {
    const dashboard = everyImport('packages/lark-dashboard/src').filter(({ from }) =>
      from.startsWith('@s18i/'),
    )
    const others = dashboard.filter(
      ({ from }) => !['@s18i/lark-jobs/operate', '@s18i/lark/config', '@s18i/lark/internal'].includes(from),
    )
    expect(others.map(({ importer, from }) => `${importer} imports ${from}`)).toEqual([
      'commands/jobs-dashboard.ts imports @s18i/lark',
      'commands/jobs-dashboard.ts imports @s18i/lark-jobs',
      'server/dashboard.ts imports @s18i/lark-jobs',
    ])
    expect(read('packages/lark-dashboard/src/server/dashboard.ts')).toMatch(
      /^import type .* from '@s18i\/lark-jobs'$/m,
    )
  })

  it('@s18i/lark-jobs imports nothing about BullMQ, and no other package of Lark except @s18i/lark', () => {
    expect(jobs.filter(({ from }) => /^@s18i\/(?!lark(\/|$))/.test(from))).toEqual([])
    const sources = [
      ...filesBelow('packages/lark-jobs/src', '.ts'),
      ...filesBelow('packages/lark-jobs/src', '.lua'),
    ]
    const named = sources.filter((file) => /bullmq/i.test(read(`packages/lark-jobs/src/${file}`)))
    expect(named).toEqual([])
  })

  it('only lark-bullmq uses /internal, and otherwise uses only exports for users', () => {
    const others = ['lark', 'lark-dashboard', 'lark-jobs-bench'].flatMap((name) =>
      everyImport(`packages/${name}/src`).filter(({ from }) => from === '@s18i/lark-jobs/internal'),
    )
    expect(others).toEqual([])
    const bullmq = everyImport('packages/lark-bullmq/src').filter(({ from }) => from.startsWith('@s18i/'))
    const allowed = [
      '@s18i/lark-jobs',
      '@s18i/lark-jobs/operate',
      '@s18i/lark-jobs/internal',
      '@s18i/lark/internal',
    ]
    const more = bullmq.filter(
      ({ importer, from }) => !allowed.includes(from) && !importer.startsWith('commands/'),
    )
    expect(more).toEqual([])
    expect(
      bullmq.filter(({ from }) => !allowed.includes(from)).every(({ from }) => from === '@s18i/lark'),
    ).toBe(true)
  })

  it('/internal has no name that nothing uses', () => {
    const used = filesBelow('packages/lark-bullmq/src', '.ts')
      .map((file) => read(`packages/lark-bullmq/src/${file}`))
      .join('\n')
    const names = Object.keys(internal)
    expect(names.length).toBeGreaterThan(10)
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(used))).toEqual([])
  })

  it('/internal has few names, including types, and no name that users already have', () => {
    const names = (file: string) => {
      const text = read(`packages/lark-jobs/src/${file}`)
      const taken = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(
        ([, said]) => said!.match(/\w+(?=\s*(?:,|$))/g) ?? [],
      )
      const own = text.matchAll(/^export (?:async )?(?:function|const|interface|class|type) (\w+)/gm)
      return [...taken, ...Array.from(own, ([, name]) => name!)]
    }
    const few = names('internal.ts')
    const users = new Set([...names('index.ts'), ...names('operate.ts')])
    expect(few.length).toBeLessThanOrEqual(62)
    expect(few.length).toBeGreaterThan(40)
    expect(few.filter((name) => users.has(name))).toEqual([])
  })

  it('the browser imports only types from the server', () => {
    const folder = 'packages/lark-dashboard/browser'
    const imports = [...filesBelow(folder, '.ts'), ...filesBelow(folder, '.tsx')].flatMap((file) =>
      [
        ...read(`${folder}/${file}`).matchAll(/^import (?!type )[^'\n]*'([^']*(?:\/src\/|@s18i)[^']*)'/gm),
      ].map(([line]) => line),
    )
    expect(imports).toEqual([])
  })

  it('only commands, and the code that finds and runs commands, load more of @s18i/lark than its /internal', () => {
    const more = jobs.filter(
      ({ from }) => from.startsWith('@s18i/') && !/\/lark\/(internal|config)$/.test(from),
    )
    const others = more.filter(({ importer }) => !importer.startsWith('commands/'))
    const late = others.filter(({ isDynamic }) => isDynamic).map(({ importer }) => importer)
    expect(late).toHaveLength(others.length)
    expect(late.sort()).toEqual(['api/schedules/scheduled-commands.ts', 'run/command-job.ts'])
  })
})

describe('the commands', () => {
  it('read and change jobs only through the operations that the package exports, like a dashboard', () => {
    const imports = everyImport('packages/lark-jobs/src').filter(({ importer }) =>
      importer.startsWith('commands/'),
    )
    const inner = imports.filter(({ file }) => /^(operate|store)\//.test(file ?? ''))
    expect(inner.map(({ importer, file }) => `${importer} imports ${file}`)).toEqual([])
    expect(imports.filter(({ file }) => file === 'operate.ts').length).toBeGreaterThan(5)
  })
})

describe('words of a terminal', () => {
  /** The files whose texts may name a command of Lark, because these texts are for a person at a terminal. */
  const allowed: Record<string, string> = {
    'dispatch/dispatcher.ts': 'a warning of Node, which goes to stderr and to no other surface',
    'options/registry.ts': 'the hint for a developer whose application has no classes yet',
    'outbox/outbox-database.ts': 'the same hint, for who runs the relay',
    'outbox/step-in.ts': 'the same hint, for who writes a step',
    'outbox/write.ts': 'the hint for a developer whose database has no table yet',
    'store/contract/rules/layout.ts': 'what only the program of another build can do',
  }

  it('are only in commands, because other code returns problems and remedies as kinds and values, and each surface has its own words for them', () => {
    const folder = 'packages/lark-jobs/src'
    const told = filesBelow(folder, '.ts')
      .filter((file) => !file.startsWith('commands/'))
      .filter((file) => /\blark [a-z]+:[a-z]/.test(withoutComments(read(`${folder}/${file}`))))
    expect(told).toEqual(Object.keys(allowed))
  })

  it('are not in the dashboard, which says where to click, except for the start of the first worker', () => {
    const folder = 'packages/lark-dashboard/browser'
    const told = ['.ts', '.tsx']
      .flatMap((end) => filesBelow(folder, end))
      .filter((file) => /\blark [a-z]+:[a-z]/.test(withoutComments(read(`${folder}/${file}`))))
    expect(told).toEqual(['pages/overview/worker-strip.tsx', 'pages/workers/workers.tsx'])
  })

  it('are found in texts, not in comments', () => {
    expect(
      withoutComments('/** `lark jobs:work` */\n  // lark jobs:why\nconst a = `b` // lark jobs:show'),
    ).toMatch(/^\s*const a = `b`\s*$/)
    expect(withoutComments("'See lark jobs:list', 'http://a'")).toBe("'See lark jobs:list', 'http://a'")
  })
})

describe('a function with `await using`', () => {
  it('awaits its returned call, because otherwise its store is closed before the work is done', () => {
    const early = Object.keys(floors).flatMap((folder) =>
      filesBelow(folder, '.ts').flatMap((file) =>
        earlyReturns(read(`${folder}/${file}`)).map((line) => `${folder}/${file}:${line}`),
      ),
    )
    expect(early).toEqual([])
  })

  it('is also found in a branch, and inner functions and functions without `await using` are not reported', () => {
    const text = `async function show() {
  await using jobs = Jobs
  if (this.json) return this.#all(jobs)
  if (this.flow !== undefined) {
    return show(jobs)
  }
  const names = list.map((each) => {
    return nameOf(each)
  })
  if (names.length === 0) return
  return await status<Job>(jobs)
}
async function other() {
  return show()
}`
    expect(earlyReturns(text)).toEqual(['3: if (this.json) return this.#all(jobs)', '5: return show(jobs)'])
  })
})

describe('a property that is left out if it has no value', () => {
  it('comes from defined(), and a spread with a condition is only for other conditions', () => {
    const spread = Object.keys(floors).flatMap((folder) =>
      filesBelow(folder, '.ts').flatMap((file) =>
        spreadsOfUndefined(read(`${folder}/${file}`)).map((text) => `${folder}/${file}: ${text}`),
      ),
    )
    expect(spread).toEqual([])
  })

  it('is found in both forms, but not if the value differs from the value in the condition', () => {
    const text = `f({ ...(a !== undefined && { a }), ...(this.#b !== undefined && { c: this.#b }) })
g({
  ...(a?.b === undefined
    ? {}
    : { b: a.b, c: a.b }),
  ...(a !== undefined && { a: shown(a) }),
  ...(a !== undefined && b && { a }),
  ...(a > 0 && { a }),
  ...(a === undefined ? { b } : { a }),
})`
    expect(spreadsOfUndefined(text)).toEqual([
      '...(a !== undefined && { a })',
      '...(this.#b !== undefined && { c: this.#b })',
      '...(a?.b === undefined ? {} : { b: a.b, c: a.b })',
    ])
  })
})

describe('the stores', () => {
  const jobs = everyImport('packages/lark-jobs/src')
  const inStore = (name: string, file: string | undefined) => file?.startsWith(`store/${name}/`) === true

  it.each(['sqlite', 'redis'])('only connect.ts imports %s, and only when this store is used', (name) => {
    const others = jobs.filter(({ importer, file }) => inStore(name, file) && !inStore(name, importer))
    expect([...new Set(others.map(({ importer }) => importer))]).toEqual(['store/connect.ts'])
    expect(others.every(({ isDynamic }) => isDynamic)).toBe(true)
  })

  it('have the same subjects under the same names, and no room has more than 25 files', () => {
    const lua = filesBelow('packages/lark-jobs/src/store/redis/lua', '.lua')
    const sql = filesBelow('packages/lark-jobs/src/store/sql', '.ts')
    const subjects = (files: string[]) =>
      [...new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]!))].sort()
    expect(subjects(lua).filter((name) => name !== 'shared')).toEqual(subjects(sql))
    for (const files of [lua, sql]) {
      const rooms = files.map((file) => file.slice(0, file.lastIndexOf('/') + 1))
      const large = new Set(rooms.filter((room) => rooms.filter((each) => each === room).length > 25))
      expect([...large]).toEqual([])
    }
  })

  it('only libsql.ts names libsql, and imports only types from it, because a bundler would follow other imports', () => {
    const file = 'store/sqlite/libsql.ts'
    const imports = jobs.filter(({ from }) => from === 'libsql')
    expect(imports.map(({ importer, isDynamic }) => [importer, isDynamic])).toEqual([[file, false]])
    expect(read(`packages/lark-jobs/src/${file}`)).toMatch(/^import type Libsql from 'libsql'$/m)
  })
})

describe.each(['.yml', '.yaml'].flatMap((end) => filesBelow('.github/workflows', end)))(
  'the workflow %s',
  (file) => {
    const text = read(`.github/workflows/${file}`)

    it('names each action by its commit, with the version in a comment, because a tag can be moved to other code', () => {
      const actions = text.match(/^.*\buses:.*$/gm) ?? []
      expect(actions.length).toBeGreaterThan(0)
      const pinned = /^ +- uses: [\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/
      expect(actions.filter((line) => !pinned.test(line))).toEqual([])
    })

    it('keeps no token in the working copy, and has only the permissions that a job names', () => {
      const { permissions, jobs } = load(text) as Workflow
      expect(permissions).toEqual({})
      for (const job of Object.values(jobs)) {
        expect(job.permissions).toBeTypeOf('object')
        for (const { uses, with: given } of job.steps)
          if (uses?.startsWith('actions/checkout@')) expect(given?.['persist-credentials']).toBe(false)
      }
    })
  },
)

/** The part of a GitHub workflow that the tests read. */
interface Workflow {
  permissions?: object
  jobs: Record<string, { permissions?: object; steps: { uses?: string; with?: Record<string, unknown> }[] }>
}

describe.each(['packages/lark-jobs/src', 'packages/lark-bullmq/src'])('names in %s', (folder) => {
  it('no type has the name of another type', () => {
    const files = new Map<string, string[]>()
    for (const file of filesBelow(folder, '.ts').filter((path) => !path.endsWith('.generated.ts')))
      for (const name of typesOf(read(`${folder}/${file}`)))
        files.set(name, [...(files.get(name) ?? []), file])
    expect([...files].filter(([, places]) => places.length > 1)).toEqual([])
  })
})

describe.each(Object.keys(floors))('comments in %s', (folder) => {
  const files = [...filesBelow(folder, '.ts'), ...filesBelow(folder, '.lua')]

  it('name only source files that exist', () => {
    const missing = files.flatMap((file) =>
      filesNamedIn(read(`${folder}/${file}`))
        .filter((name) => !name.startsWith('test/') && !files.some((each) => `/${each}`.endsWith(`/${name}`)))
        .map((name) => `${file} names ${name}`),
    )
    expect(missing).toEqual([])
  })
})

/**
 * The maximum width of comments, in columns. Comments are read like text, so they are narrower than code may
 * be.
 */
const WIDEST = 110

const tests = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/test`)

describe.each([
  ...Object.keys(floors),
  'packages/lark-dashboard/browser',
  ...tests.filter((folder) => existsSync(join(root, folder))),
  'test',
])('comments in %s', (folder) => {
  it(`have at most ${WIDEST} columns, except for code and lines that programs read`, () => {
    const wide = ['.ts', '.tsx', '.js', '.lua']
      .flatMap((end) => filesBelow(folder, end))
      .filter((file) => !file.endsWith('.generated.ts'))
      .flatMap((file) =>
        commentLines(read(`${folder}/${file}`))
          .filter(({ text }) => text.length > WIDEST && !/biome-ignore|^-- (needs|gives): /.test(text))
          .map(({ line, text }) => `${file}:${line}: ${text.trim()}`),
      )
    expect(wide).toEqual([])
  })
})

/**
 * A signpost lists the files that must change for a new kind of something. In each of these files, a comment
 * begins with the mark of the signpost, for example `New state:`.
 */
describe('signposts', () => {
  const folder = 'packages/lark-jobs/src'
  const places = [`${folder}/`, 'packages/lark-jobs/', '']
  const sources = [folder, 'packages/lark-jobs/test', 'packages/lark-dashboard/browser'].flatMap((place) =>
    ['.ts', '.tsx', '.lua'].flatMap((end) => filesBelow(place, end).map((file) => `${place}/${file}`)),
  )
  const posts = sources
    .filter((file) => file.startsWith(`${folder}/`) && file.endsWith('.ts'))
    .flatMap((file) => signpostsIn(read(file)).map((post) => ({ file, ...post })))

  it('exist for rates and for records', () => {
    expect(posts.map(({ file, mark }) => `${file} ${mark}`).sort()).toEqual([
      `${folder}/model/rate.ts New kind of rate:`,
      `${folder}/model/record.ts New outcome:`,
      `${folder}/model/record.ts New state:`,
    ])
  })

  it.each(posts)('$mark is in the files that $file lists, and in no other file', ({ file, mark, named }) => {
    const meant = named.map(
      (name) => sources.find((each) => places.some((place) => each === place + name)) ?? name,
    )
    const marked = sources.filter((each) => each !== file && read(each).includes(mark))
    expect(marked.sort()).toEqual(meant.sort())
  })
})

/** The signposts in a file: the mark of each, and the files in its list. */
function signpostsIn(text: string): { mark: string; named: string[] }[] {
  const posts = text.matchAll(
    /goes into these files, at the comment `(New [\w ]+:)`\n \*\n((?: \* {3}.*\n)+)/g,
  )
  return [...posts].map(([, mark, list]) => ({
    mark: mark!,
    named: [...list!.matchAll(/`([\w./-]+\.(?:tsx?|lua))`/g)].map(([, name]) => name!),
  }))
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
}

/** The files that the comments of a file name, as written: `owner.ts`, `store/sql/end/move.ts`. */
function filesNamedIn(text: string): string[] {
  const comments = text.match(/\/\*[\s\S]*?\*\/|\/\/.*$|^ *--.*$/gm) ?? []
  const names = comments.join('\n').matchAll(/(?<![\w/.*-])(?:\.\.?\/)*((?:[\w-]+\/)*[\w-]+\.(?:ts|lua))\b/g)
  return [...names].map(([, name]) => name!)
}

/**
 * The names of the types that a file declares at its top level. A new name for an imported type does not
 * count.
 */
function typesOf(text: string): string[] {
  const made = text.matchAll(
    /^(?:export )?(?:abstract )?(?:class|interface|type|enum) (\w+)(?:.* = (\w+)$)?/gm,
  )
  return [...made]
    .filter(([, name, same]) => same === undefined || !text.includes(` ${name} as ${same} `))
    .map(([, name]) => name!)
}

function everyImport(folder: string): (Import & { importer: string })[] {
  return filesBelow(folder, '.ts').flatMap((importer) =>
    importsOf(folder, importer).map((each) => ({ importer, ...each })),
  )
}

function isAt(file: string, place: string): boolean {
  return place.endsWith('/*') ? file.startsWith(place.slice(0, -1)) : file === place
}

function floorOf(file: string, table: string[][]): number {
  return table.findIndex((floor) => floor.some((place) => isAt(file, place)))
}

function relative(imports: Map<string, Import[]>): [from: string, to: string][] {
  return [...imports].flatMap(([from, all]) =>
    all.flatMap(({ file }) => (file === undefined ? [] : [[from, file] as [string, string]])),
  )
}

/** Returns the first circle that is found, in the form `a → b → a`. */
function circle(imports: Map<string, Import[]>): string | undefined {
  const done = new Set<string>()
  const visit = (file: string, path: string[]): string | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(' → ')
    if (done.has(file)) return undefined
    for (const { file: next } of imports.get(file) ?? []) {
      const found = next === undefined ? undefined : visit(next, [...path, file])
      if (found !== undefined) return found
    }
    done.add(file)
    return undefined
  }
  for (const file of imports.keys()) {
    const found = visit(file, [])
    if (found !== undefined) return found
  }
  return undefined
}

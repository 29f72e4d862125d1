import { readFile, stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { arg, Command } from '@s18i/lark'
import { codeFiles, defined, syntaxOf, usageError, visible } from '@s18i/lark/internal'
import { mentionsBullMQ } from '../check/bull-names.ts'
import { type BullUse, FileUsage } from '../check/usage.ts'
import { type Compatibility, comparisonOf, verdicts } from '../compared/compared.ts'

/** How many places of a name are shown without `--verbose`. */
const PLACES = 3
/** The page of the manual that has all answers. */
const MANUAL = 'https://github.com/s18i/lark/blob/main/docs/from-bullmq.md#every-name'

/** The order in which answers are shown. Answers that mean work come first. */
const order = [
  'missing',
  'differs',
  'better',
  'silent',
  'needless',
  'same',
] as const satisfies readonly Compatibility[]
/** The names of the answers in the summary. */
const summed = { ...verdicts, differs: 'different' } as const
const colors = {
  missing: 'red',
  differs: 'yellow',
  better: 'green',
  needless: 'green',
  silent: 'green',
  same: 'green',
} as const

interface ComparedUse {
  topic: BullUse['topic']
  name: string
  answer: Compatibility
  /** What corresponds to the name in Lark. It is absent for an option that BullMQ does not have. */
  inLark?: string
  page?: string
  places: { file: string; line: number }[]
}

/** `lark jobs:check-bullmq` lists what a code base uses of BullMQ, with Lark's answer to each name. */
export class JobsCheckBullmqCommand extends Command {
  readonly key = 'jobs:check-bullmq'
  override description = 'List what a code base uses of BullMQ, and what Lark has for it'
  source = arg.string('A folder with source files, or a file', { default: '.' })

  async handle(): Promise<number> {
    const { files, unread, read, uses } = await this.#look()
    const answers = answersTo(uses)
    const counts = Object.fromEntries(
      order.map((each) => [each, answers.filter(({ answer }) => answer === each).length]),
    ) as Record<Compatibility, number>
    if (this.json) this.console.json({ answers, counts, files, read, unread })
    else this.#print(answers, counts, { files, read, unread })
    return counts.missing > 0 || unread.length > 0 ? 1 : 0
  }

  /** Reads the files twice, because one file may use what another exports. */
  async #look() {
    const root = resolve(this.source)
    const found = await stat(root).catch(() => undefined)
    if (found === undefined)
      throw usageError(
        `There is no ${visible(this.source)}`,
        'Name a folder with source files: lark jobs:check-bullmq src',
      )
    const paths = found.isFile() ? [root] : await codeFiles(root)
    const texts = await Promise.all(paths.map(async (path) => [path, await readFile(path, 'utf8')] as const))
    const unread: string[] = []
    const programs = new Map<string, NonNullable<ReturnType<typeof syntaxOf>>>()
    const parsed = (path: string, text: string) => {
      const program = programs.get(path) ?? syntaxOf(text, path)
      if (program === undefined) unread.push(shownPath(path))
      else programs.set(path, program)
      return program
    }
    const exported: FileUsage['exported'] = new Map()
    for (const [path, text] of texts) {
      const program = mentionsBullMQ(text) ? parsed(path, text) : undefined
      if (program !== undefined)
        for (const [name, kind] of new FileUsage(program).exported) exported.set(name, kind)
    }
    const names = [...exported.keys()]
    const uses = new Map<string, BullUse[]>()
    for (const [path, text] of texts) {
      if (!mentionsBullMQ(text) && !names.some((name) => text.includes(name))) continue
      if (unread.includes(shownPath(path))) continue
      const program = parsed(path, text)
      const usage = program && new FileUsage(program, exported)
      if (usage !== undefined && usage.uses.length > 0) uses.set(shownPath(path), usage.uses)
    }
    return { files: uses.size, read: paths.length, unread, uses }
  }

  #print(
    answers: readonly ComparedUse[],
    counts: Record<Compatibility, number>,
    { files, read, unread }: { files: number; read: number; unread: string[] },
  ): void {
    for (const file of unread) this.warn(`${visible(file)} cannot be parsed, and was not looked at`)
    if (answers.length === 0) {
      this.line(`No file uses BullMQ (${read} read)`)
      return
    }
    this.table(
      ['BULLMQ', 'USES', 'LARK', 'IN LARK', 'WHERE'],
      answers.map(({ topic, name, answer, inLark = 'BullMQ does not have it either', places }) => [
        `${visible(name)} ${this.console.paint('dim', `(${wordsOf(topic)})`)}`,
        places.length,
        this.console.paint(colors[answer], verdicts[answer]),
        inLark.replaceAll('`', ''),
        this.#placesIn(places),
      ]),
    )
    const uses = answers.reduce((sum, { places }) => sum + places.length, 0)
    const each = order.filter((name) => counts[name] > 0).map((name) => `${counts[name]} ${summed[name]}`)
    this.line(
      `${answers.length} names of BullMQ, used ${uses} times in ${files} of ${read} files: ${each.join(', ')}`,
    )
    if (counts.missing > 0) this.line(`What is not there throws BULLMQ_UNSUPPORTED: see ${MANUAL}`)
  }

  #placesIn(places: ComparedUse['places']): string {
    const shown = this.console.isVerbose ? places : places.slice(0, PLACES)
    const more = places.length - shown.length
    const all = shown.map(({ file, line }) => `${visible(file)}:${line}`)
    return [...all, ...(more > 0 ? [`and ${more} more`] : [])].join(', ')
  }
}

function shownPath(path: string): string {
  const here = relative(process.cwd(), path)
  return here.startsWith('..') || here === '' ? path : here
}

/** The words for a topic in a row, such as `job`, `new Worker` or `Queue event`. */
function wordsOf(topic: BullUse['topic']): string {
  if (topic === 'exports' || topic === 'types') return 'import'
  return topic
    .replace(/^options of /, 'option of ')
    .replace(/^methods of /, 'method of ')
    .replace(/^events of /, 'event of ')
    .replace(/^properties of /, 'property of ')
}

/** Lark's answer to each name. Answers that mean work come first. */
function answersTo(uses: ReadonlyMap<string, readonly BullUse[]>): ComparedUse[] {
  const answers = new Map<string, ComparedUse>()
  for (const [file, all] of uses) {
    for (const { topic, name, line } of all) {
      const id = `${topic} ${name}`
      const [answer = 'missing', inLark, page] = comparisonOf(topic, name) ?? []
      const before = answers.get(id)
      if (before !== undefined) before.places.push({ file, line })
      else
        answers.set(id, {
          ...{ topic, name, answer },
          ...defined({ inLark, page }),
          places: [{ file, line }],
        })
    }
  }
  const rank = ({ answer }: ComparedUse) => order.indexOf(answer)
  return [...answers.values()].sort(
    (one, other) => rank(one) - rank(other) || other.places.length - one.places.length,
  )
}

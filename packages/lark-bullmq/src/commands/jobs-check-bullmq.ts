import { readFile, stat } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { arg, Command } from '@s18i/lark'
import { codeFiles, defined, syntaxOf, usageError, visible } from '@s18i/lark/internal'
import { mentionsBullMQ } from '../check/bull-names.ts'
import { type TypedFile, typedUsage } from '../check/typed-usage.ts'
import { type BullUse, FileUsage, fileNameOf, type Reexports, type Unfollowed } from '../check/usage.ts'
import { type Compatibility, comparisonOf, verdicts } from '../compared/compared.ts'

/** How many places of a name are shown without `--verbose`. */
const PLACES = 3
/** The maximum number of names in the last line of the output. */
const NAMES = 5
/** The page of the manual with Lark's answers to all names. */
const MANUAL = 'https://github.com/s18i/lark/blob/main/docs/check-bullmq.md'

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
  /** What corresponds to the name in Lark. Absent for an option that BullMQ does not have. */
  inLark?: string
  page?: string
  /** Whether the application cannot start because of this use. */
  isFatal?: true
  places: { file: string; line: number }[]
}

/** What happens to the application if only its import is changed. Each outcome has its own exit code. */
const outcomes = { starts: 0, 'starts with changes': 1, 'cannot start': 3 } as const
type Outcome = keyof typeof outcomes

/** The findings of the command. */
interface Found {
  uses: ReadonlyMap<string, readonly BullUse[]>
  unfollowed: { file: string; line: number; what: string }[]
  /** Files that cannot be parsed. */
  unread: string[]
  /** How many files were read. */
  read: number
  /** The version of TypeScript that was used for types, or the reason why no types were used. */
  typescript: { version: string } | { because: string }
}

/** `lark jobs:check-bullmq` lists what a code base uses of BullMQ, with Lark's answer to each name. */
export class JobsCheckBullmqCommand extends Command {
  readonly key = 'jobs:check-bullmq'
  override description = 'List what a code base uses of BullMQ, and what Lark has for it'
  source = arg.string('A folder with source files, or a file', { default: '.' })

  async handle(): Promise<number> {
    const found = await this.#look()
    const answers = answersTo(found.uses)
    const counts = Object.fromEntries(
      order.map((each) => [each, answers.filter(({ answer }) => answer === each).length]),
    ) as Record<Compatibility, number>
    const outcome: Outcome = answers.some(({ isFatal }) => isFatal)
      ? 'cannot start'
      : counts.missing > 0
        ? 'starts with changes'
        : 'starts'
    const { unfollowed, unread, read, typescript, uses } = found
    if (this.json)
      this.console.json({ outcome, answers, counts, files: uses.size, read, unread, unfollowed, typescript })
    else this.#print(answers, counts, outcome, found)
    return unread.length > 0 ? Math.max(1, outcomes[outcome]) : outcomes[outcome]
  }

  /** Reads the files twice, because a file may use an object that another file exports. */
  async #look(): Promise<Found> {
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
    const reexports = new Map<string, Reexports>()
    for (const [path, text] of texts) {
      const program = mentionsBullMQ(text) ? parsed(path, text) : undefined
      if (program === undefined) continue
      const usage = new FileUsage(program)
      if (usage.reexports !== undefined) reexports.set(fileNameOf(path), usage.reexports)
    }
    const mayConcern = (text: string) =>
      mentionsBullMQ(text) || [...exported.keys(), ...reexports.keys()].some((name) => text.includes(name))
    const look = (path: string, text: string) => {
      const program = mayConcern(text) && !unread.includes(shownPath(path)) ? parsed(path, text) : undefined
      return program && new FileUsage(program, exported, reexports)
    }
    // A file that imports a queue which another file exports again may itself export this queue.
    for (const [path, text] of texts)
      for (const [name, kind] of look(path, text)?.exported ?? []) exported.set(name, kind)
    const concerned = texts.filter(([, text]) => mayConcern(text)).map(([path]) => path)
    const typed = typedUsage(found.isFile() ? dirname(root) : root, concerned)
    const uses = new Map<string, BullUse[]>()
    const unfollowed: Found['unfollowed'] = []
    for (const [path, text] of texts) {
      const usage = look(path, text)
      const own = typed.files.get(path)
      const all = together(usage?.uses ?? [], own?.uses ?? [])
      const file = shownPath(path)
      if (all.length > 0) uses.set(file, all)
      for (const each of unfollowedIn(usage, own)) unfollowed.push({ file, ...each })
    }
    const { version, because = '' } = typed
    return {
      ...{ uses, unfollowed, unread, read: paths.length },
      typescript: version === undefined ? { because } : { version },
    }
  }

  #print(
    answers: readonly ComparedUse[],
    counts: Record<Compatibility, number>,
    outcome: Outcome,
    { uses: { size: files }, unread, read, unfollowed, typescript }: Found,
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
    this.#printLimits(unfollowed, typescript)
    const missing = answers.filter(({ answer }) => answer === 'missing')
    const fatal = missing.filter(({ isFatal }) => isFatal)
    if (outcome === 'starts')
      this.line(
        `Starts: all ${unfollowed.length > 0 ? 'that was found ' : ''}is there if you change the import`,
      )
    else if (outcome === 'starts with changes')
      this.line(`Starts with changes: ${namesOf(missing)} refused when the code uses it. See ${MANUAL}`)
    else this.line(`Cannot start: ${namesOf(fatal)} refused at the start. See ${MANUAL}`)
  }

  /** Prints the limits of the answer: uses that could not be followed, and missing types. */
  #printLimits(unfollowed: Found['unfollowed'], typescript: Found['typescript']): void {
    if ('because' in typescript)
      this.line(`By the syntax alone, without types: ${visible(typescript.because)}`)
    if (unfollowed.length === 0) return
    const by = new Map<string, ComparedUse['places']>()
    for (const { what, ...place } of unfollowed) by.set(what, [...(by.get(what) ?? []), place])
    for (const [what, places] of by) this.line(`Not followed: ${visible(what)} at ${this.#placesIn(places)}`)
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

/** The uses that the syntax and the types of a file show, without duplicates. */
function together(bySyntax: readonly BullUse[], byTypes: readonly BullUse[]): BullUse[] {
  const placeOf = ({ topic, name, line, column }: BullUse) => `${topic} ${name} ${line} ${column}`
  const known = new Set(bySyntax.map(placeOf))
  const all = [...bySyntax, ...byTypes.filter((use) => !known.has(placeOf(use)))]
  return all.sort((one, other) => one.line - other.line)
}

/**
 * The places that cannot be followed. If the types of a file are known, the types decide, and not the syntax
 * of the file.
 */
function unfollowedIn(
  bySyntax: FileUsage | undefined,
  byTypes: TypedFile | undefined,
): readonly Unfollowed[] {
  return (byTypes ?? bySyntax)?.unfollowed ?? []
}

function namesOf(answers: readonly ComparedUse[]): string {
  const names = [...new Set(answers.map(({ name }) => visible(name)))]
  const more = names.length - NAMES
  const shown = [...names.slice(0, NAMES), ...(more > 0 ? [`${more} more`] : [])]
  return `${shown.join(', ')} ${names.length === 1 ? 'is' : 'are'}`
}

/** The topics whose names are refused by a constructor, or by a module of Nest when it is loaded. */
const ofConstructors: readonly BullUse['topic'][] = [
  ...(['exports', 'bull-board'] as const),
  ...(['options of Queue', 'options of Worker', 'options of QueueEvents'] as const),
  ...(['options of FlowProducer', 'options of limiter', 'options of settings'] as const),
]

/** Lark's answer to each name. Answers that mean work come first. */
function answersTo(uses: ReadonlyMap<string, readonly BullUse[]>): ComparedUse[] {
  const answers = new Map<string, ComparedUse>()
  for (const [file, all] of uses) {
    for (const { topic, name, line, isAtStart } of all) {
      const id = `${topic} ${name}`
      const [answer = 'missing', inLark, page] = comparisonOf(topic, name) ?? []
      const answered = answers.get(id) ?? { topic, name, answer, ...defined({ inLark, page }), places: [] }
      if (answer === 'missing' && (isAtStart || ofConstructors.includes(topic)) && topic !== 'types')
        answered.isFatal = true
      answered.places.push({ file, line })
      answers.set(id, answered)
    }
  }
  const rank = ({ answer }: ComparedUse) => order.indexOf(answer)
  return [...answers.values()].sort(
    (one, other) => rank(one) - rank(other) || other.places.length - one.places.length,
  )
}

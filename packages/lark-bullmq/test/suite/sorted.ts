/** The result of a test of BullMQ on the classes of this package. */
import { skippedTest } from './files.ts'
import type { TestResult } from './run.ts'

export type Verdict = 'passes' | 'refused' | 'internals' | 'hangs' | 'fails'

export interface SortedTest {
  file: string
  name: string
  verdict: Verdict
  /** The refusal, the reason of a skipped test, or the first error. */
  why?: string
}

const REFUSED = 'does not have '
const timedOut = /(?:Test|Hook) timed out in/

/** @param passing the names of the tests that pass on BullMQ */
export function sorted(
  file: string,
  passing: readonly string[],
  results: readonly TestResult[],
): SortedTest[] {
  const found = new Map(results.map((result) => [result.name, result]))
  const ofFile = found.get('(the file)')
  return passing.map((name) => {
    const reason = skippedTest(file, name)
    if (reason !== undefined) return { file, name, verdict: 'internals', why: reason }
    return { file, name, ...verdictOf(found.get(name) ?? ofFile) }
  })
}

function verdictOf(result: TestResult | undefined): Pick<SortedTest, 'verdict' | 'why'> {
  if (result === undefined) return { verdict: 'fails', why: 'it did not run' }
  const { state, errors, refusals } = result
  if (state === 'passed') return { verdict: 'passes' }
  const [why = 'no error'] = errors
  // A static method is not watched, so the error of the test itself is the refusal.
  const [refusal = why.startsWith('BullmqError: ') ? why.split('\n')[0]! : undefined] = refusals
  if (refusal !== undefined)
    return { verdict: 'refused', why: refusal.slice(refusal.indexOf(REFUSED) + REFUSED.length) }
  if (state === 'started' || timedOut.test(why)) return { verdict: 'hangs', why }
  return { verdict: 'fails', why }
}

const titles: Readonly<Record<Verdict, string>> = {
  passes: 'pass',
  refused: 'refused by name',
  internals: 'look at internals',
  hangs: 'hang',
  fails: 'fail otherwise',
}
const verdicts = Object.keys(titles) as Verdict[]

/** @param options `list`: also each test that hangs or fails */
export function tableOf(tests: readonly SortedTest[], { list = false }: { list?: boolean } = {}): string {
  const files = [...new Set(tests.map(({ file }) => file))]
  const width = Math.max(0, ...files.map((file) => file.length)) + 2
  const row = (title: string, of: readonly SortedTest[]) => {
    const counts = verdicts.map((verdict) => of.filter((test) => test.verdict === verdict).length)
    return `${title.padEnd(width)}${[of.length, ...counts].map((count, i) => `${count}`.padStart(columns[i]!)).join('')}\n`
  }
  const heads = ['tests', ...verdicts.map((verdict) => titles[verdict])]
  const columns = heads.map((head) => head.length + 3)
  let text = `${''.padEnd(width)}${heads.map((head, i) => head.padStart(columns[i]!)).join('')}\n`
  for (const file of files)
    text += row(
      file,
      tests.filter((test) => test.file === file),
    )
  text += row('all', tests)
  const reasons = new Map<string, number>()
  for (const { verdict, why } of tests)
    if (verdict === 'refused') reasons.set(why!, (reasons.get(why!) ?? 0) + 1)
  text += '\nRefused:\n'
  for (const [why, count] of [...reasons].sort(([, one], [, other]) => other - one))
    text += `${`${count}`.padStart(6)}  ${why}\n`
  if (!list) return text
  for (const verdict of ['hangs', 'fails'] as const) {
    text += `\n${titles[verdict]}:\n`
    for (const { file, name, why } of tests.filter((test) => test.verdict === verdict))
      text += `  ${file}  ${name}\n      ${why!.split('\n')[0]!.slice(0, 160)}\n`
  }
  return text
}

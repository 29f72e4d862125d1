import { expect, test } from 'vitest'
import { arg, Command, type CommandClass, flag, MemoryConsole, run } from '../src/index.ts'

async function outcome(Class: CommandClass) {
  const console = new MemoryConsole()
  const code = await run(['x'], { commands: [Class], console })
  return { code, stderr: console.stderr }
}

abstract class Base extends Command {
  readonly key: string = 'x'
  handle() {
    return true
  }
}

class NoKey extends Base {
  override readonly key = undefined as never
}
class BadKey extends Base {
  override readonly key = 'two words'
}
class RequiredLast extends Base {
  one = arg.string('One', { optional: true })
  two = arg.string('Two')
}
class RestFirst extends Base {
  files = arg.strings('Files')
  two = arg.string('Two', { optional: true })
}
class TakenField extends Base {
  override table = flag.string('A table') as never
}
class TakenFlag extends Base {
  help = flag.boolean('Help')
}
class TakenLetter extends Base {
  first = flag.boolean('One', { short: 'f' })
  force = flag.boolean('Two', { short: 'f' })
}
class LongLetter extends Base {
  first = flag.boolean('One', { short: 'fi' })
}

test.each<[CommandClass, string]>([
  [NoKey, 'Command NoKey has no key (a base class belongs in a file whose name begins with _)'],
  [BadKey, 'Command BadKey has the key or alias "two words": not words like users:process'],
  [RequiredLast, 'Command RequiredLast has the required argument TWO after the optional ONE'],
  [RestFirst, 'Command RestFirst has the argument TWO after FILES, which takes the rest'],
  [TakenField, 'Command TakenField declares the field "table", which every Command has for itself'],
  [TakenFlag, 'Command TakenFlag declares --help, which every command has'],
  [TakenLetter, 'Command TakenLetter gives --force the letter -f, which is taken'],
  [LongLetter, 'Command LongLetter gives --first the short name "fi": not one letter'],
])('%o is refused', async (Class, line) => {
  const { code, stderr } = await outcome(Class)
  expect(stderr.split('\n')[0]).toBe(`✗ ${line}`)
  expect(code).toBe(1)
})

test('a command inherits the declarations of flags and arguments', async () => {
  class Paged extends Base {
    page = flag.number('Which page', { default: 1 })
  }
  class Users extends Paged {
    override handle() {
      return this.page === 7
    }
  }
  const console = new MemoryConsole()
  expect(await run(['x', '--page', '7'], { commands: [Users], console })).toBe(0)
})

test('names of flags and arguments come from the names of fields', async () => {
  class Names extends Base {
    userEmail = arg.string('', { optional: true })
    dryRun = flag.boolean('')
    parseHTMLFile = flag.boolean('')
    useV2 = flag.boolean('')
  }
  const console = new MemoryConsole()
  await run(['help', 'x', '--json'], { commands: [Names], console })
  const { arguments: positional, flags } = JSON.parse(console.stdout)
  const names = [...positional, ...flags].map(({ name }: { name: string }) => name)
  expect(names).toEqual(['USER-EMAIL', '--dry-run', '--parse-html-file', '--use-v2'])
})

/** What the types promise. The compiler checks it: `tsc -p test/tsconfig.json`. */
import { arg, Command, type CommandResult, defineConfig, flag, type LarkConfig } from '../src/index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_: Same<A, B>): void {}

/** The types of fields. */
class Fields extends Command {
  readonly key = 'fields'
  required = arg.string('')
  optional = arg.string('', { optional: true })
  defaulted = arg.string('', { default: 'x' })
  count = arg.number('')
  maybeCount = arg.number('', { optional: true })
  size = arg.enum('', ['big', 'small'])
  maybeSize = arg.enum('', ['big', 'small'], { optional: true })
  rest = arg.strings('')

  text = flag.string('')
  textDefault = flag.string('', { default: 'x', short: 't' })
  textRequired = flag.string('', { required: true })
  textEnv = flag.string('', { env: 'TEXT' })
  number = flag.number('')
  numberDefault = flag.number('', { default: 1 })
  force = flag.boolean('')
  mode = flag.enum('', ['fast', 'safe'])
  modeDefault = flag.enum('', ['fast', 'safe'], { default: 'fast' })
  list = flag.strings('')

  handle() {
    same<typeof this.required, string>(true)
    same<typeof this.optional, string | undefined>(true)
    same<typeof this.defaulted, string>(true)
    same<typeof this.count, number>(true)
    same<typeof this.maybeCount, number | undefined>(true)
    same<typeof this.size, 'big' | 'small'>(true)
    same<typeof this.maybeSize, 'big' | 'small' | undefined>(true)
    same<typeof this.rest, string[]>(true)
    same<typeof this.text, string | undefined>(true)
    same<typeof this.textDefault, string>(true)
    same<typeof this.textRequired, string>(true)
    same<typeof this.textEnv, string | undefined>(true)
    same<typeof this.number, number | undefined>(true)
    same<typeof this.numberDefault, number>(true)
    same<typeof this.force, boolean>(true)
    same<typeof this.mode, 'fast' | 'safe' | undefined>(true)
    same<typeof this.modeDefault, 'fast' | 'safe'>(true)
    same<typeof this.list, string[]>(true)
  }
}
new Fields()

/** Declarations that the compiler refuses. */
// @ts-expect-error a default of another type
flag.number('', { default: 'x' })
// @ts-expect-error an option that does not exist
flag.string('', { defualt: 'x' })
// @ts-expect-error a default outside of the set
flag.enum('', ['fast', 'safe'], { default: 'slow' })
// @ts-expect-error an argument has no short name
arg.string('', { short: 'x' })
// @ts-expect-error a list has no default
flag.strings('', { default: ['x'] })
// @ts-expect-error a description is needed
flag.boolean()

// @ts-expect-error a command needs handle()
class NoHandle extends Command {
  readonly key = 'x'
}
new NoHandle()

// @ts-expect-error a command needs a key
class NoKey extends Command {
  handle() {}
}
new NoKey()

/** The results that `handle()` may have. */
class Results extends Command {
  readonly key = 'results'
  nothing = () => {}
  handle(): CommandResult {
    return Math.random() > 0.5 ? true : { an: 'object' }
  }
}
new Results()

class Text extends Command {
  readonly key = 'text'
  // @ts-expect-error a text is not a result: print it
  handle() {
    return 'done'
  }
}
new Text()

class Progress extends Command {
  readonly key = 'progress'
  async handle() {
    const items = [{ id: 1 }]
    await this.progress(items, async (item, index) => item.id + index, { label: 'items' })
    this.progress(10).advance()
    // @ts-expect-error an item has its own type
    await this.progress(items, (item) => item.name)
  }
}
new Progress()

/** A package adds its section. Packages write `declare module '@s18i/lark/config'`. */
declare module '../src/config.ts' {
  interface LarkConfig {
    testing?: { level: number }
  }
}
const config: LarkConfig = defineConfig({ commands: 'cli', testing: { level: 1 } })
same<typeof config.testing, { level: number } | undefined>(true)
// @ts-expect-error a section keeps its type
defineConfig({ testing: { level: 'high' } })
// @ts-expect-error an unknown key
defineConfig({ comands: 'cli' })

/** Questions. */
export class Questions extends Command {
  readonly key = 'questions'

  async handle() {
    const name = await this.ask('', { default: 'x' })
    same<typeof name, string>(true)
    const size = await this.choose('', ['big', { value: 'small', label: 'Small' }])
    same<typeof size, 'big' | 'small'>(true)
    const sizes = await this.choose('', ['big', 'small'], { many: true, default: ['big'] })
    same<typeof sizes, ('big' | 'small')[]>(true)
    // @ts-expect-error: it is not one of the choices
    await this.choose('', ['big', 'small'], { default: 'huge' })
    // @ts-expect-error: what nobody sees has no default
    await this.secret('', { default: 'x' })
  }
}

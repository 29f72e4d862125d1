import { join, relative } from 'node:path'
import { arg, Command } from '@s18i/lark'
import { excerpt, loadConfig, stubPlace, usageError, writeStub } from '@s18i/lark/internal'

/**
 * `lark make:job NAME`: writes the file of a new job class. The name is the name of the class (`SendEmail`,
 * `SendEmailJob`) or its key (`send-email`).
 */
export class MakeJobCommand extends Command {
  readonly key = 'make:job'
  override description = 'Write a new job'
  name = arg.string('Its class (SendEmailJob) or its key (send-email)')

  async handle() {
    const { key, className } = namesFrom(this.name)
    const { config, folder } = await loadConfig({ sections: ['jobs'] })
    const paths = config.jobs?.paths
    const place = await stubPlace('jobs', folder, typeof paths === 'string' ? paths : paths && [...paths])
    const path = join(place.folder, `${className}.${place.extension}`)
    await writeStub(path, stub(key, className, place))
    this.success(`Wrote ${relative(process.cwd(), path)}`)
    this.info(`Dispatch it with: await new ${className}().dispatch({ name: 'world' })`)
    return { key, path }
  }
}

function namesFrom(name: string): { key: string; className: string } {
  if (name.length > 100 || !/^[A-Za-z][A-Za-z0-9]*([-_:][A-Za-z0-9]+)*$/.test(name)) {
    throw usageError(
      `"${excerpt(name)}" is not a name for a job`,
      'Names look like SendEmailJob or send-email',
    )
  }
  const words = name
    .split(/[-_:]/)
    .flatMap((part) => part.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+/g) ?? [part])
  if (words.length > 1 && words.at(-1)!.toLowerCase() === 'job') words.pop()
  return {
    key: words.join('-').toLowerCase(),
    className: `${words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')}Job`,
  }
}

type StubPlace = Awaited<ReturnType<typeof stubPlace>>

function stub(key: string, className: string, { extension, isModule }: StubPlace): string {
  const typed = extension === 'ts'
  const start = isModule
    ? "import { Job } from '@s18i/lark-jobs'\n\nexport "
    : `const { Job } = require('@s18i/lark-jobs')\n\nexports.${className} = `
  return `${start}class ${className} extends Job {
  ${typed ? 'readonly ' : ''}key = '${key}'
  queueName = 'default'
  tries = 15

  async handle(payload${typed ? ': { name: string }' : ''}) {
    this.info(\`Hello, \${payload.name}\`)
    return true
  }
}
`
}

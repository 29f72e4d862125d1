import { fileURLToPath } from 'node:url'
import { build } from '../../lark/build/bundle.js'

const commands = ['jobs-check-bullmq', 'jobs-import-bullmq'].map((name) => `commands/${name}`)

await build({
  folder: fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, ''),
  entries: {
    index: 'src/index.ts',
    nest: 'src/nest/nest.ts',
    // Isolated processes load it, which know no other file of this package.
    'processor-file': 'src/worker/processor-file.ts',
    ...Object.fromEntries(commands.map((name) => [name, `src/${name}.ts`])),
  },
  exported: ['index', 'nest'],
  required: ['index', 'nest'],
  alone: commands,
  replaced: {},
  written: {},
  chunks: {
    // What BullMQ has: for the classes, and for the command that checks an application without them.
    compared: ['src/compared/compared.ts'],
    // What its jobs are in Lark: for the classes, and for the import.
    meaning: [
      ...['record', 'kept-jobs'].map((name) => `src/job/${name}.ts`),
      ...['flow/flow-rules', 'queue/schedule-name', 'import/import-bullmq'].map((name) => `src/${name}.ts`),
    ],
    classes: ['src/index.ts'],
    import: ['src/import/import.ts'],
    nest: ['src/nest/nest.ts'],
  },
})

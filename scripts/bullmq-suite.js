// `npm run bullmq-suite -- FOLDER`: runs BullMQ's own tests (FOLDER is a checkout of BullMQ) on the classes
// of @s18i/lark-bullmq (CONTRIBUTING.md). The script first installs missing packages and builds the sources.
// The code of the runner is in packages/lark-bullmq/test/suite.
import { runProgram } from './steps.js'

const words = process.argv.slice(2)
// With `--help`, or without a folder, the program only prints a text, so nothing has to be built.
const isTalk = words.includes('--help') || words.every((word) => word.startsWith('-'))
await runProgram('packages/lark-bullmq/test/suite/main.ts', words, { isBuilt: isTalk })

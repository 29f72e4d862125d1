import { describe } from 'vitest'
import { accounting } from './accounting.ts'
import { booting } from './booting.ts'
import { causing } from './causing.ts'
import { commanding } from './commanding.ts'
import { deceiving } from './deceiving.ts'
import { defining } from './defining.ts'
import { endings } from './endings.ts'
import { freezing } from './freezing.ts'
import { mistakes, wrongClasses } from './mistakes.ts'
import { program } from './program.ts'
import { stepping } from './stepping.ts'
import { steppingDeploys } from './stepping-deploys.ts'
import { unawaited } from './unawaited.ts'

const url = () => undefined

describe('on the embedded store', { timeout: 60_000 }, () => {
  accounting(url)
  endings(url)
  freezing(url)
  program(url)
  stepping(url)
  steppingDeploys(url)
  booting(url)
  defining(url)
  unawaited(url)
  deceiving(url)
})

// A program that starts waits for the disk, and these tests measure no time. So some of them run at the same
// time.
describe.concurrent('the output of commands on the embedded store', { timeout: 120_000 }, () => {
  mistakes(url)
  wrongClasses()
  commanding(url)
  causing(url)
})

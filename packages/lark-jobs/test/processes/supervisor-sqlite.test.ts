import { describe } from 'vitest'
import { supervisingDeaths, supervisingItself } from './supervising-deaths.ts'
import { supervisingEnds } from './supervising-ends.ts'

describe('a supervisor on the embedded store', { timeout: 60_000 }, () => {
  supervisingDeaths(() => undefined)
  supervisingItself()
  supervisingEnds()
})

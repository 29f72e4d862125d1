import { describe, inject } from 'vitest'
import { accounting } from './accounting.ts'
import { mistakes } from './mistakes.ts'
import { program } from './program.ts'

const url = () => inject('valkeyUrl')

describe('on Valkey', { timeout: 60_000 }, () => {
  accounting(url)
  program(url)
  mistakes(url)
})

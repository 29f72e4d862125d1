import { LarkError } from '@s18i/lark'

/**
 * Refuses a flag's number that is not a whole one from 1. An absent one is fine.
 *
 * @throws USAGE, exit code 2
 */
export function wholeFromOne(flag: string, value: number | undefined, command: string): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1)) return
  throw new LarkError('USAGE', `${flag} is ${value}; it must be a whole number from 1`, {
    exit: 2,
    hint: `See lark help ${command}`,
  })
}

/** A finding of the doctor as a script reads it: its advice is one text, with the commands. */
import type { DoctorFinding } from '../../operate.ts'
import { inCommands } from './remedy-commands.ts'

export function writtenFinding({ advice, ...finding }: DoctorFinding) {
  return { ...finding, ...(advice && { remedy: inCommands(advice) }) }
}

/** A finding of the doctor in the form for scripts. The advice is one text that contains the commands. */
import type { DoctorFinding } from '../../operate.ts'
import { inCommands } from './remedy-commands.ts'

export function writtenFinding({ advice, ...finding }: DoctorFinding) {
  return { ...finding, ...(advice && { remedy: inCommands(advice) }) }
}

/** Prints one object: its title, its facts, and sections below the facts. */
import type { Command } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'

/** The facts about an object, by name. Facts without a value are not printed. */
export type SheetFacts = Readonly<Record<string, string | false | undefined>>

/** @param title the beginning of the first line, printed in bold before `rest` */
export function printSheet(command: Command, title: string, rest: string, facts: SheetFacts): void {
  command.line(`${command.console.paint('bold', visible(title))} ${visible(rest)}`)
  command.line()
  // The width includes facts that are not printed, so that the values of all objects are aligned in the same
  // way.
  const width = Math.max(...Object.keys(facts).map((name) => name.length))
  for (const [name, value] of Object.entries(facts))
    if (value) command.line(`${name.padEnd(width)} ${visible(value)}`)
}

/** @param lines the lines, without characters that a terminal would interpret */
export function printSection(command: Command, title: string, lines: readonly string[]): void {
  command.line()
  command.line(command.console.paint('bold', title))
  for (const line of lines) command.line(`  ${line}`)
}

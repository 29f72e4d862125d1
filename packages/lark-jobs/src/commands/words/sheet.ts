/** How a command shows one object: its title, its facts, and sections below them. */
import type { Command } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'

/** What is known about the object, by name. Facts without a value are left out. */
export type SheetFacts = Readonly<Record<string, string | false | undefined>>

/** @param title in bold, before `rest` */
export function printSheet(command: Command, title: string, rest: string, facts: SheetFacts): void {
  command.line(`${command.console.paint('bold', visible(title))} ${visible(rest)}`)
  command.line()
  // This includes facts that are left out, so that the values of all objects are aligned in the same way.
  const width = Math.max(...Object.keys(facts).map((name) => name.length))
  for (const [name, value] of Object.entries(facts))
    if (value) command.line(`${name.padEnd(width)} ${visible(value)}`)
}

/** @param lines that are visible */
export function printSection(command: Command, title: string, lines: readonly string[]): void {
  command.line()
  command.line(command.console.paint('bold', title))
  for (const line of lines) command.line(`  ${line}`)
}

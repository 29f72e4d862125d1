/** One thing as a command shows it: its title, its facts, and sections below them. */
import type { Command } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'

/** What is known of a thing, by name. Facts without a value are left out. */
export type SheetFacts = Readonly<Record<string, string | false | undefined>>

/** @param title in bold, before what follows it */
export function printSheet(command: Command, title: string, rest: string, facts: SheetFacts): void {
  command.line(`${command.console.paint('bold', visible(title))} ${visible(rest)}`)
  command.line()
  // Also of facts that are left out, so that the values of all things stand in the same place.
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

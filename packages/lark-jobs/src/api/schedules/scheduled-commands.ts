/**
 * The schedules that the commands of the application declare. A worker that takes its classes from the
 * folders of the application looks for these schedules when it starts. A worker whose classes are passed in
 * code does not declare schedules of commands. If the application has no files with commands, the console is
 * not loaded, and the search costs two accesses to the disk. If there are such files, the commands are found
 * as `lark list` finds them, without importing files that have not changed.
 */
import { relative } from 'node:path'
import { LarkError, loadConfig, sourceFiles, sourceFolders } from '@s18i/lark/internal'
import type { Settings } from '../../config/config.ts'
import { checkTicks, scheduleDefinition } from '../../dispatch/schedule-definition.ts'
import { JobsError } from '../../model/errors.ts'
import { type ScheduleOfCommand, schedulesOfCommand } from '../../options/schedules/command-schedule.ts'
import { voiceOf } from '../../options/schema.ts'
import { COMMAND_JOB, CommandJob, commandPayload } from '../../run/command-job.ts'
import type { Definition } from '../../schedule/definition.ts'

/**
 * A command as `@s18i/lark` finds it. The type is repeated here, because this package imports types only from
 * the configuration of `@s18i/lark`.
 */
interface FoundCommand {
  key: string
  file?: string
  schedule?: unknown
}

/** The schedules of commands, and one line for each schedule that has a mistake. */
export interface ScheduledCommands {
  declared: { id: string; definition: Definition }[]
  remarks: string[]
}

/**
 * Finds the schedules of commands. A mistake in the application's code does not throw an error, but becomes a
 * remark.
 *
 * @param taken the ids of the schedules that job classes declare
 */
export async function scheduledCommands(
  settings: Pick<Settings, 'schedules' | 'partitions'>,
  taken: ReadonlySet<string> = new Set(),
): Promise<ScheduledCommands> {
  const found: ScheduledCommands = { declared: [], remarks: [] }
  const attempt = async (what: string, act: () => unknown) => {
    try {
      await act()
    } catch (error) {
      if (!LarkError.is(error)) throw error
      found.remarks.push(`${what}: ${error.message}`)
    }
  }
  await attempt('The schedules of commands are unknown', async () => {
    const { commands, problems } = await ownCommands()
    found.remarks.push(...problems)
    for (const { key, file, schedule } of commands)
      await attempt(`The command ${key} (${file}) does not run by itself`, () => {
        for (const each of schedulesOfCommand(key, schedule, voiceOf('SCHEDULE_INVALID', key)))
          found.declared.push({ id: each.id, definition: definitionOf(key, each, settings, taken) })
      })
  })
  return found
}

/**
 * The commands in the folders of the application that have a schedule, and the problems that were found in
 * these folders.
 */
async function ownCommands(): Promise<{ commands: FoundCommand[]; problems: string[] }> {
  const { folder, config } = await loadConfig({ sections: ['jobs'] })
  const paths = await sourceFiles(sourceFolders('commands', folder, config.commands))
  if (paths.length === 0) return { commands: [], problems: [] }
  const files = paths.map((path) => relative(folder, path))
  const { findCommands } = await import('@s18i/lark')
  const { commands, problems } = await findCommands()
  const isOwn = (text: string) => files.some((file) => text.includes(file))
  return {
    commands: commands.filter(({ file = '', schedule }) => schedule !== undefined && files.includes(file)),
    problems: problems.map(({ message }) => message).filter(isOwn),
  }
}

/** @throws SCHEDULE_INVALID, UNKNOWN_QUEUE, the errors of a dispatch */
function definitionOf(
  key: string,
  { id, when, args, fields }: ScheduleOfCommand,
  { schedules, partitions }: Pick<Settings, 'schedules' | 'partitions'>,
  taken: ReadonlySet<string>,
): Definition {
  if (taken.has(id))
    throw new JobsError('SCHEDULE_INVALID', `a job class declares a schedule with the id ${id} too`)
  const payload = commandPayload(key, key, args)
  const { timezone } = schedules
  const definition = scheduleDefinition(id, { Class: CommandJob, fields, payload }, when, {
    timezone,
    ofClass: COMMAND_JOB,
  })
  checkTicks(definition, voiceOf('SCHEDULE_INVALID', `Schedule ${id}`))
  if (partitions.has(definition.queue)) return definition
  throw new JobsError('UNKNOWN_QUEUE', `its queue ${definition.queue} is not one of the configured queues`)
}

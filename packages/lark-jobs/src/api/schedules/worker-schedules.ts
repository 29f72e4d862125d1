/**
 * The schedules that a worker declares: the schedules of its classes. If the classes come from the folders of
 * the application, the worker also declares the schedules of the commands in these folders.
 */
import type { Settings } from '../../config/config.ts'
import { checkPlace } from '../../config/queues.ts'
import { checkTicks, declaredBy, partitionOf } from '../../dispatch/schedule-definition.ts'
import type { Registry } from '../../options/registry.ts'
import { voiceOf } from '../../options/schema.ts'
import type { WorkerSchedules } from '../../worker/options.ts'
import { scheduledCommands } from './scheduled-commands.ts'

interface SchedulesOfWorker {
  /** The part that runs schedules. Undefined if schedules are off. */
  schedules?: WorkerSchedules
  /** One line for each mistake in a schedule. */
  remarks: string[]
  /** The ids of the schedules that do not run because schedules are off. */
  off: string[]
}

/**
 * @param isOfFolders whether the classes come from the folders of the application
 * @throws SCHEDULE_INVALID and the errors of a dispatch, if a class declares an invalid schedule
 */
export async function schedulesOfWorker(
  { classes }: Registry,
  settings: Settings,
  isOfFolders: boolean,
): Promise<SchedulesOfWorker> {
  const { partitions } = settings
  const { enabled, timezone } = settings.schedules
  // A class whose queue is not configured is left out, because the worker warns about this class.
  const placed = classes.filter(({ queueName }) => partitions.has(queueName))
  const ofClasses = placed.flatMap((jobClass) => {
    const declared = declaredBy(jobClass, timezone)
    for (const { id, definition } of declared) {
      const records = [{ ...definition.job, id }]
      checkPlace({ name: jobClass.name, queue: definition.queue, records }, settings)
      checkTicks(definition, voiceOf('SCHEDULE_INVALID', `Schedule ${id}`))
    }
    return declared
  })
  const ids = new Set(ofClasses.map(({ id }) => id))
  const commands = isOfFolders ? await scheduledCommands(settings, ids) : { declared: [], remarks: [] }
  const { remarks } = commands
  const declared = [...ofClasses, ...commands.declared]
  // Mistakes are reported even if schedules are off, so that people find them in development and not after a
  // deploy.
  if (!enabled) return { remarks, off: declared.map(({ id }) => id) }
  const placeOf: WorkerSchedules['placeOf'] = (id, definition) => partitionOf(id, definition, partitions)
  return { schedules: { declared, placeOf }, remarks, off: [] }
}

/**
 * The schedules that a worker declares: those of its classes, and if it takes these from the folders of the
 * application, those of the commands there too.
 */
import type { Settings } from '../../config/config.ts'
import { checkPlace } from '../../config/queues.ts'
import { checkTicks, declaredBy, partitionOf } from '../../dispatch/schedule-definition.ts'
import type { Registry } from '../../options/registry.ts'
import { voiceOf } from '../../options/schema.ts'
import type { WorkerSchedules } from '../../worker/options.ts'
import { scheduledCommands } from './scheduled-commands.ts'

interface SchedulesOfWorker {
  /** Undefined if schedules are off. */
  schedules?: WorkerSchedules
  /** What is wrong, in a line each. */
  remarks: string[]
  /** The ids of those that do not run, because schedules are off. */
  off: string[]
}

/**
 * @param isOfFolders whether the classes are those in the folders of the application
 * @throws SCHEDULE_INVALID, the errors of a dispatch, of what a class declares
 */
export async function schedulesOfWorker(
  { classes }: Registry,
  settings: Settings,
  isOfFolders: boolean,
): Promise<SchedulesOfWorker> {
  const { partitions } = settings
  const { enabled, timezone } = settings.schedules
  // The worker warns about a class whose queue is not configured.
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
  // What is wrong is said where schedules are off too: it is found in development, and not after a deploy.
  if (!enabled) return { remarks, off: declared.map(({ id }) => id) }
  const placeOf: WorkerSchedules['placeOf'] = (id, definition) => partitionOf(id, definition, partitions)
  return { schedules: { declared, placeOf }, remarks, off: [] }
}

import { arg, Command, flag, shellWord } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { pausedWords } from '../../words/paused-words.ts'
import { byCommand } from '../words/by-command.ts'
import { timeSince } from '../words/instant.ts'
import { scheduleNamed } from './scheduled.ts'

/** `lark schedule:pause`: pauses a schedule, so that it does not tick. */
export class SchedulePauseCommand extends Command {
  readonly key = 'schedule:pause'
  override description = 'Pause a schedule: jobs that it has queued run, and it does not tick'
  name = arg.string('The id of the schedule')
  because = flag.string('Why, for people who look at it')

  async handle() {
    const { name, because } = this
    await using jobs = Jobs
    const operating = byCommand(jobs)
    const before = await scheduleNamed(operating, name)
    const { state, paused } = await operating.schedules.pause(name, defined({ because }))
    const wasPaused = before.paused !== undefined
    if (this.json) return { schedule: name, state, wasPaused, ...paused }
    const how = `lark schedule:resume ${shellWord(name)}`
    if (state === 'ended') this.info(visible(`${name} has ended: it does not tick anyway`))
    else if (wasPaused) {
      const time = timeSince(before.paused!.at)
      const { by, because } = before.paused!
      const why = pausedWords({ by, because }, Date.now())
      this.info(visible(`${name} has been paused for ${time} already${why}: it does not tick until ${how}`))
    } else this.success(visible(`${name} is paused: it does not tick until ${how}`))
  }
}

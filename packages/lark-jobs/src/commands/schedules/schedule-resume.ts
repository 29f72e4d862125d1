import { arg, Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { missedPolicies } from '../../options/schedules/timing.ts'
import { readable } from '../../words/duration.ts'
import { plural } from '../../words/plural.ts'
import { byCommand } from '../words/by-command.ts'
import { scheduleNamed } from './scheduled.ts'

/** `lark schedule:resume`: resumes a paused schedule, so that it ticks again. */
export class ScheduleResumeCommand extends Command {
  readonly key = 'schedule:resume'
  override description = 'Resume a paused schedule, and say what becomes of the ticks that it missed'
  name = arg.string('The id of the schedule')
  missed = flag.enum(
    'What becomes of the ticks of the pause. Default: what the schedule says',
    missedPolicies,
  )

  async handle() {
    const { name, missed } = this
    await using jobs = Jobs
    const operating = byCommand(jobs)
    await scheduleNamed(operating, name)
    const resumed = await operating.schedules.resume(name, defined({ missed }))
    if (this.json) return { schedule: name, ...resumed }
    const { wasPaused, queued, skipped, next } = resumed
    if (!wasPaused) {
      this.info(visible(`${name} was not paused: see lark schedule:list`))
      return
    }
    const soon =
      next === undefined ? 'it has no more ticks' : `next in ${readable(Math.max(0, next - Date.now()))}`
    this.success(visible(`${name} goes on: ${soon}`))
    if (queued + skipped === 0) this.info('No tick came during the pause')
    if (queued > 0)
      this.info(`${plural(queued, 'tick')} of the pause became ${queued === 1 ? 'a job' : 'jobs'}`)
    if (skipped === 0) return
    const [were, them] = skipped === 1 ? ['was', 'it'] : ['were', 'them']
    // With `once`, one queued job stands for all missed ticks, including the skipped ticks.
    const what = queued === 0 ? `skipped, and nothing runs for ${them}` : 'skipped'
    this.info(`${plural(skipped, 'tick')} of the pause ${were} ${what}`)
  }
}

import { arg, Command } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { byCommand } from '../words/by-command.ts'
import { scheduleNamed } from './scheduled.ts'

/** `lark schedule:run`: queues a job of a schedule now. */
export class ScheduleRunCommand extends Command {
  readonly key = 'schedule:run'
  override description = 'Queue a job of a schedule now: its next tick stays as it is'
  name = arg.string('The id of the schedule')

  async handle() {
    await using jobs = Jobs
    const operating = byCommand(jobs)
    await scheduleNamed(operating, this.name)
    const run = await operating.schedules.runNow(this.name)
    const { id, queue, queued } = run
    if (this.json) this.console.json({ schedule: this.name, ...run })
    else if (queued) {
      this.success(visible(`Queued a job of ${this.name} in ${queue}`))
      // The id of the queued job is printed to stdout, so that scripts can use it: `id=$(lark schedule:run
      // …)`.
      this.line(visible(id))
    } else this.warn(visible(`Queued no job of ${this.name}: one like it has not ended, or ${queue} is full`))
    return queued
  }
}

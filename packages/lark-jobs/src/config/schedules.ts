/** The configuration of schedules. */

import { timezone } from '../options/schedules/timezone.ts'
import { flag, type OptionsOf, type Read, Schema } from '../options/schema.ts'

export const schedulesOptions = new Schema('an object with timezone, enabled, or both', {
  /** The time zone of cron expressions and daily times without a time zone. Default `'UTC'`. */
  timezone: timezone.or('UTC'),
  /**
   * Whether workers of this process declare the schedules of their classes, and queue the jobs of schedules
   * that are due. Default: `false` if `NODE_ENV` is `development`, otherwise `true`.
   */
  enabled: flag(),
})

export interface SchedulesConfig extends OptionsOf<typeof schedulesOptions.entries> {}

/** The configuration of schedules, with the defaults. */
export interface ConfiguredSchedules {
  timezone: string
  enabled: boolean
}

export function schedulesOf(
  said: Read<typeof schedulesOptions.entries>,
  env: Record<string, string | undefined>,
): ConfiguredSchedules {
  const { timezone, enabled = env.NODE_ENV !== 'development' } = said
  return { timezone, enabled }
}

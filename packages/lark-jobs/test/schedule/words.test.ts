/** How `schedule/words.ts` describes expressions in words. */
import { expect, test } from 'vitest'
import { readCron } from '../../src/options/schedules/cron-text.ts'
import { inWords } from '../../src/schedule/words.ts'

function said(text: string): string {
  const read = readCron(text)
  if ('wrong' in read) throw new Error(read.wrong)
  return inWords(read.expression)
}

test.each([
  ['0 8 * * 1-5', 'weekdays at 08:00'],
  ['0 8 * * MON-FRI', 'weekdays at 08:00'],
  ['0 8 * * *', 'every day at 08:00'],
  ['30 15 8 * * *', 'every day at 08:15:30'],
  ['0 8,20 * * *', 'every day at 08:00 and 20:00'],
  ['0,30 9 * * *', 'every day at 09:00 and 09:30'],
  ['0 10 * * 0,6', 'weekends at 10:00'],
  ['0 10 * * 6-7', 'weekends at 10:00'],
  ['0 10 * * 1', 'Mondays at 10:00'],
  ['0 10 * * 7', 'Sundays at 10:00'],
  ['0 10 * * SUN', 'Sundays at 10:00'],
  ['0 10 * * 1,4', 'Mondays and Thursdays at 10:00'],
  ['0 10 * * 1-4', 'Mondays to Thursdays at 10:00'],
  ['0 10 * * 0,5,6', 'Fridays to Sundays at 10:00'],
  ['0 10 * * 5#2', 'the second Friday at 10:00'],
  ['0 10 * * 5L', 'the last Friday at 10:00'],
  ['0 6 1 * *', 'the 1st of the month at 06:00'],
  ['0 6 1,15 * *', 'the 1st and the 15th of the month at 06:00'],
  ['0 6 1-7 * *', 'the 1st to 7th of the month at 06:00'],
  ['0 6 */2 * *', 'every 2nd day from the 1st to the 31st of the month at 06:00'],
  ['0 6 L * *', 'the last day of the month at 06:00'],
  ['0 6 LW * *', 'the last weekday of the month at 06:00'],
  ['0 6 15W * *', 'the weekday nearest to the 15th of the month at 06:00'],
  ['0 0 1 1 *', 'the 1st of January at 00:00'],
  ['0 0 22 JUN-AUG *', 'the 22nd of June to August at 00:00'],
  ['0 0 * 7 *', 'every day in July at 00:00'],
  ['0 0 * JUL MON', 'Mondays in July at 00:00'],
  ['0 0 13 * 5', 'the 13th of the month and Fridays at 00:00'],
  ['@hourly', 'every hour'],
  ['@yearly', 'the 1st of January at 00:00'],
  ['* * * * *', 'every minute'],
  ['*/15 * * * *', 'every 15 minutes'],
  ['0,15,30,45 * * * *', 'every 15 minutes'],
  ['5-59/15 * * * *', 'every 15 minutes'],
  ['*/7 * * * *', 'at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour'],
  ['30 * * * *', 'every hour at minute 30'],
  ['0 */2 * * *', 'every 2 hours'],
  ['0 */5 * * *', 'every 5 hours from 00:00 to 20:00'],
  ['0 8-18 * * 1-5', 'every hour from 08:00 to 18:00, on weekdays'],
  ['30 8-18/2 * * *', 'every 2 hours from 08:30 to 18:30'],
  ['*/15 8-18 * * 1-5', 'every 15 minutes from 08:00 to 18:45, on weekdays'],
  ['*/15 8 * * *', 'every 15 minutes from 08:00 to 08:45'],
  ['* 8-9 * 7 *', 'every minute from 08:00 to 09:59, every day in July'],
  ['0,7,30 8,9,17 * * *', 'at minutes 0, 7 and 30 of hours 8, 9 and 17'],
  ['*/10 * * * * *', 'every 10 seconds'],
  ['* * * * * *', 'every second'],
  ['*/10 0 8 * * *', 'every day at 08:00:00, 08:00:10, 08:00:20, 08:00:30, 08:00:40 and 08:00:50'],
  ['*/5 0 8 * * *', 'every 5 seconds of minute 0 of hour 8'],
  ['30 * * * * *', 'every minute at second 30'],
] as const)('%s', (expression, words) => {
  expect(said(expression)).toBe(words)
})

test('intervals and time zones', () => {
  expect(inWords('every 15m')).toBe('every 15 minutes')
  expect(inWords('every 1h')).toBe('every hour')
  expect(inWords('every 90s')).toBe('every 90 seconds')
  expect(inWords('every 1500ms')).toBe('every 1500 milliseconds')
  expect(inWords('0 8 * * 1-5', 'Europe/Paris')).toBe('weekdays at 08:00, Paris')
  expect(inWords('0 8 * * *', 'America/Argentina/Buenos_Aires')).toBe('every day at 08:00, Buenos Aires')
  expect(inWords('something else')).toBe('something else')
})

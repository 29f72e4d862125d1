/**
 * Makes one measurement in its own process, so that no earlier measurement has warmed up or changed this
 * process. `run.js` starts the process with the task as its argument. The process sends the metrics or an
 * error to `run.js`, and ends.
 */
import { all } from './measures/index.js'
import { Stage } from './stage.js'

const task = JSON.parse(process.argv[2])
const measure = all.find(({ name }) => name === task.measure)
let stage

process.on('exit', () => stage?.end())
for (const end of ['disconnect', 'SIGINT', 'SIGTERM']) process.on(end, () => process.exit())

try {
  stage = await Stage.make(task)
  await say({ metrics: await measure.run(stage) })
} catch (error) {
  await say({ error: error.stack })
}
process.exit()

function say(message) {
  return new Promise((resolve) => process.send(message, resolve))
}

/** BullMQ at its fastest: it forgets a job as soon as it is completed. */
import { openKeeping } from './bullmq.js'

export const title = 'BullMQ, keeps none'
export const store = 'redis'

export const open = ({ connection }) => openKeeping({ count: 0 }, connection)

/** BullMQ with its fastest settings: it removes a job as soon as it is completed. */
import { openKeeping } from './bullmq.js'

export const title = 'BullMQ, keeps none'
export const store = 'redis'

export const open = ({ connection }) => openKeeping({ count: 0 }, connection)

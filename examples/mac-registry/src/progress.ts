/** The progress of the application, with one entry for each tick of `NoteProgressJob`. */
import { Journal } from './journal'

export interface Progress {
  /** The instant, in ISO format. */
  id: string
  /** How many jobs have not ended. */
  left: number
  /** How many blocks the search index has. */
  blocks: number
}

export const progress = new Journal<Progress>('progress')

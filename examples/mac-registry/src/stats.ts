/** The sales statistics, with one entry for each order. */
import { Journal } from './journal'

export interface Sale {
  /** The order's. */
  id: string
  country: string
  size: number
}

export const sales = new Journal<Sale>('sales')

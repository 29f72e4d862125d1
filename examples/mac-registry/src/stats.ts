/** The sales statistics: one entry an order, and the curve that `TrackSalesJob` draws of them. */
import { Journal } from './journal'

export interface Sale {
  /** The order's. */
  id: string
  country: string
  size: number
}

export const sales = new Journal<Sale>('sales')

/** What was sold by an instant. */
export interface SalesPoint {
  /** The instant, in ISO format. */
  id: string
  orders: number
  addresses: number
}

export const salesCurve = new Journal<SalesPoint>('sales-curve')

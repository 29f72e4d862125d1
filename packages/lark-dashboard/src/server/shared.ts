/**
 * A dashboard for everybody whom `authorize` of the configuration lets in, on a port of its own.
 */
import { type DashboardOptions, dashboard } from './dashboard.ts'
import { Listening, type Place } from './listening.ts'
import { toNode } from './to-node.ts'

export interface SharedDashboard {
  url: string
  close(): Promise<void>
}

/** @throws DASHBOARD_UNAVAILABLE, DASHBOARD_INVALID */
export async function startShared(options: DashboardOptions, place: Place): Promise<SharedDashboard> {
  const made = dashboard(options)
  const listening = await Listening.start(toNode(made), place)
  return {
    url: `${listening.origin}${options.base?.replace(/\/*$/, '') ?? ''}/`,
    close: async () => {
      await made.close()
      await listening[Symbol.asyncDispose]()
    },
  }
}

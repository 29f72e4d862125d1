/** A dashboard on a port of its own, for all people whom `authorize` of the configuration accepts. */

import { LarkError } from '@s18i/lark/config'
import { type DashboardOptions, dashboard } from '../dashboard.ts'
import { isLoopback, Listening, type Place } from './listening.ts'
import { toNode } from './to-node.ts'

export interface SharedDashboard {
  url: string
  close(): Promise<void>
}

/** The names that always mean this machine. No name server can make them point to another machine. */
const own = ['127.0.0.1', 'localhost', '[::1]']

/** @throws DASHBOARD_HOSTS, DASHBOARD_UNAVAILABLE, DASHBOARD_INVALID */
export async function startShared(options: DashboardOptions, place: Place): Promise<SharedDashboard> {
  const { host } = place
  const { hosts = isLoopback(host) ? [...own, host] : undefined } = options
  if (hosts === undefined) throw nameless(host)
  const made = dashboard({ ...options, hosts })
  const listening = await Listening.start(toNode(made), place)
  return {
    url: `${listening.origin}${options.base?.replace(/\/*$/, '') ?? ''}/`,
    close: async () => {
      await made.close()
      await listening[Symbol.asyncDispose]()
    },
  }
}

/**
 * The error for a dashboard without `hosts`. A page of another site whose host name points to this machine
 * could send the same headers as a proxy, and `authorize` may trust these headers.
 */
function nameless(host: string): LarkError {
  const message = `jobs:dashboard listens on '${host}', and jobs.dashboard.hosts does not say by which names it may be called`
  const hint = "Set hosts: ['jobs.example.com'] in lark.config, with the names that browsers use."
  return new LarkError('DASHBOARD_HOSTS', message, { exit: 2, hint })
}

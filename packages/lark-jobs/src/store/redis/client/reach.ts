/**
 * Makes the route to a location.
 */
import { Cluster } from './cluster.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { fixed } from './guide.ts'
import type { Location } from './location.ts'
import type { Route } from './route.ts'
import { Sentinels } from './sentinel.ts'

export function reach(location: Location, options: ConnectionOptions): Route {
  switch (location.kind) {
    case 'server':
      return new Connection(fixed(location.address), options)
    case 'cluster':
      return new Cluster(location.name, location.nodes, options)
    case 'sentinel': {
      const { name, sentinels, primary, address } = location
      return new Connection(new Sentinels(name, sentinels, primary, address), options)
    }
  }
}

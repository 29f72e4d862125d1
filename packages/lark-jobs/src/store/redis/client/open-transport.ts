/** Makes the transport to the servers at a location. */
import { Cluster } from './cluster.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import type { Location } from './location.ts'
import { fixed } from './resolver.ts'
import { Sentinels } from './sentinel.ts'
import type { Transport } from './transport.ts'

export function openTransport(location: Location, options: ConnectionOptions): Transport {
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

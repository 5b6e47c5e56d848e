import type { Handler } from '../../transport/handler.ts'
import type { BrokerPeers } from '../replication/sender-core.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { NodeLinks } from './node-links.ts'
import { type RecordGateway, RoutedRecords } from './record-gateway.ts'

export interface GatewayPorts {
  /** The way to other brokers; `null`: there is none. */
  readonly peers: BrokerPeers | null
  readonly onFatal: (error: Error) => void
}

export function openRecordGateway(
  broker: BrokerRuntime,
  handlers: readonly Handler[],
  { peers, onFatal }: GatewayPorts,
): RecordGateway & AsyncDisposable {
  const { nodeId, clusterId, clock, logger, metadata } = broker
  const links =
    peers === null
      ? null
      : new NodeLinks({
          nodeId,
          clusterId,
          socketFactory: peers.socketFactory,
          clock,
          logger,
          connectTimeoutMs: peers.timing.connectTimeoutMs,
          urlOf: id => metadata.image().brokers.get(id)?.peerUrl ?? null,
        })
  return new RoutedRecords({ broker, handlers, links, onFatal })
}

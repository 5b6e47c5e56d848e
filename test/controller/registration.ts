import type { BrokerRegistration } from '../../src/controller/types.ts'
import { toNodeId } from '../../src/util/numbers.ts'

/** What a broker says that has not belonged to a cluster yet. */
export function registrationOf(id: number, incarnationId: string): BrokerRegistration {
  return {
    nodeId: toNodeId(id),
    incarnationId,
    url: `ws://node-${id}`,
    rack: null,
    clusterId: null,
    peerUrl: null,
    previousEpoch: null,
  }
}

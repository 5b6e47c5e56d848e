import { defineApi } from '../api.ts'
import { limits } from '../common.ts'
import { field, int64, nullable, string, struct, uint31 } from '../schema.ts'

export const brokerRegistration = defineApi({
  key: 62,
  name: 'BrokerRegistration',
  versions: [0, 1],
  doc: 'A broker that starts says who and where it is; from the answer on it may lead. DUPLICATE_BROKER_REGISTRATION while another process of that node.id is heard of.',
  request: struct({
    nodeId: field(uint31, 'The broker.'),
    incarnationId: field(string({ lengthMax: 64 }), 'Of this process.'),
    url: field(string({ lengthMax: limits.urlLength }), 'Where clients reach it.'),
    rack: field(nullable(string({ lengthMax: limits.rackLength })), 'Its rack.'),
    clusterId: field(nullable(string({ lengthMax: 64 })), 'The cluster it belongs to; nil before it knows.'),
    peerUrl: field(
      nullable(string({ lengthMax: limits.urlLength })),
      'Where other nodes reach it; nil: nowhere, so that it cannot replicate.',
      { since: 1, whenAbsent: null },
    ),
    previousEpoch: field(
      int64,
      'Epoch of its last registration, if its logs have everything they acknowledged since; -1 when they may not: it is trusted with nothing it once had (KIP-966).',
      { since: 1, whenAbsent: -1 },
    ),
  }),
  response: struct({ epoch: field(int64, 'Accompanies its heartbeats; rises with every registration.') }),
})

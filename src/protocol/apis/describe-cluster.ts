import { defineApi } from '../api.ts'
import { limits, readTimeoutField } from '../common.ts'
import { array, field, int32, int64, nullable, oneOf, string, struct } from '../schema.ts'

export const brokerState = oneOf('active', 'fenced', 'draining')

export const describeCluster = defineApi({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 1],
  doc: 'Every registered broker with its state.',
  request: struct({ readTimeoutMs: readTimeoutField }),
  response: struct({
    clusterId: field(string({ lengthMax: 64 }), 'Cluster id.'),
    controllerId: field(int32, 'Active controller; -1 when this node knows none.'),
    brokers: field(
      array(
        struct({
          nodeId: field(int32, 'Broker.'),
          url: field(string({ lengthMax: limits.urlLength }), 'Where clients reach it.'),
          rack: field(nullable(string({ lengthMax: limits.rackLength })), 'Its rack.'),
          epoch: field(int64, 'Broker epoch: changes with every registration.'),
          state: field(brokerState, 'active: serving; fenced: not heard of; draining: shutting down.'),
        }),
        { countMax: limits.responseItems },
      ),
      'Sorted by node id.',
    ),
  }),
})

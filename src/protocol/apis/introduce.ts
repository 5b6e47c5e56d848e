import { defineApi } from '../api.ts'
import { limits } from '../common.ts'
import { field, nullable, string, struct, uint31 } from '../schema.ts'

const introduction = {
  nodeId: field(uint31, 'Who speaks.'),
  diskId: field(string({ lengthMax: 64 }), 'Of its storage: a node that lost its disk comes back with another one.'),
  clusterId: field(
    nullable(string({ lengthMax: 64 })),
    'The cluster its metadata log belongs to; nil while it is blank.',
  ),
  url: field(string({ lengthMax: limits.urlLength }), 'Where it listens for other nodes.'),
}

export const introduce = defineApi({
  key: 1000,
  name: 'Introduce',
  versions: [0, 0],
  doc: 'The first request after ApiVersions between nodes, and again when something in it changes: both sides say who they are. INCONSISTENT_CLUSTER_ID for a node of another cluster, INVALID_REQUEST when the connection leads to another node than was meant. Until it is answered nothing else that is between nodes is served.',
  request: struct({ to: field(uint31, 'Who is meant.'), ...introduction }),
  response: struct(introduction),
})

import { defineApi } from '../api.ts'
import { limits } from '../common.ts'
import { array, field, int16, int32, nullable, string, struct } from '../schema.ts'

export const apiVersions = defineApi({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 0],
  doc: 'The first request of every connection: who is asking, and which APIs and versions the node serves. A version the node does not know is answered in version 0 with UNSUPPORTED_VERSION.',
  request: struct({
    clientId: field(nullable(string({ lengthMax: limits.clientIdLength })), 'Name for logs and quotas.'),
    software: field(nullable(string({ lengthMax: 255 })), 'Client library and version.'),
  }),
  response: struct({
    apis: field(
      array(
        struct({
          apiKey: field(int16, 'API key.'),
          versionMin: field(int16, 'Lowest version served.'),
          versionMax: field(int16, 'Highest version served.'),
        }),
        { countMax: 1_000 },
      ),
      'What this node serves.',
    ),
    clusterId: field(string({ lengthMax: 64 }), 'Cluster id.'),
    nodeId: field(int32, 'This node.'),
    software: field(string({ lengthMax: 255 }), 'Server and version.'),
  }),
})

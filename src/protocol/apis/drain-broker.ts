import { defineApi } from '../api.ts'
import { sessionField } from '../common.ts'
import { boolean, field, int32, struct, uint31 } from '../schema.ts'

export const drainBroker = defineApi({
  key: 1011,
  name: 'DrainBroker',
  versions: [0, 0],
  doc: 'Relieves a broker of everything it leads, and keeps it so until it is told otherwise or registers anew: it goes on following.',
  request: struct({
    session: sessionField,
    timeoutMs: field(int32, 'How long to wait for the metadata log.'),
    nodeId: field(uint31, 'The broker.'),
    isDraining: field(boolean, 'false: it may lead again.'),
  }),
  response: struct({
    leaderCount: field(int32, 'Partitions it still leads, because nobody else in sync is available; ask again.'),
  }),
})

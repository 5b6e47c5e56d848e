import { defineApi } from '../api.ts'
import { limits } from '../common.ts'
import { array, bytes, field, struct } from '../schema.ts'

export const raftMessages = defineApi({
  key: 1001,
  name: 'RaftMessages',
  versions: [0, 0],
  doc: 'What one node of the quorum says to another. Never answered: answers are messages too, and travel on the connection of the other direction.',
  request: struct({
    messages: field(
      array(bytes({ lengthMax: limits.recordsBytes }), { countMax: limits.items }),
      'In order; each a MessagePack array [kind, fields].',
    ),
  }),
  response: struct({}),
})

import { defineApi } from '../api.ts'
import { field, int32, struct, uint53 } from '../schema.ts'

export const readIndex = defineApi({
  key: 1003,
  name: 'ReadIndex',
  versions: [0, 0],
  doc: 'Asks the active controller how far a node must have applied the metadata log to show everything that was committed before the question (Raft thesis, section 6.4).',
  request: struct({ timeoutMs: field(int32, 'How long to wait for a majority.') }),
  response: struct({ index: field(uint53, 'Inclusive.') }),
})

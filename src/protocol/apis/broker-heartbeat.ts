import { defineApi } from '../api.ts'
import { limits, partitionField, topicId } from '../common.ts'
import { array, boolean, field, int64, struct, uint31 } from '../schema.ts'

export const brokerHeartbeat = defineApi({
  key: 63,
  name: 'BrokerHeartbeat',
  versions: [0, 2],
  doc: 'A broker says that it lives. STALE_BROKER_EPOCH or BROKER_ID_NOT_REGISTERED: it must register again.',
  request: struct({
    nodeId: field(uint31, 'The broker.'),
    epoch: field(int64, 'Of its registration.'),
    wantsShutdown: field(boolean, 'Asks to be relieved of what it leads.'),
    wantsFence: field(
      boolean,
      'It lives and cannot serve: its disk is full or stands still. Others lead, and do not wait for it, until it says otherwise.',
      { since: 1, whenAbsent: false },
    ),
    offlinePartitions: field(
      array(struct({ topicId: field(topicId, 'Topic id.'), partition: partitionField }), {
        countMax: limits.items,
      }),
      'Replicas on it that the disk failed and that the metadata do not show as offline yet. Until it is registered anew others lead, and do not wait for them.',
      { since: 2, whenAbsent: [] },
    ),
  }),
  response: struct({
    isFenced: field(boolean, 'The cluster does not count on it.'),
    mayStop: field(boolean, 'It leads nothing any more.'),
  }),
})

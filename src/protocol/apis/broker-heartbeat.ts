import { defineApi } from '../api.ts'
import { boolean, field, int64, struct, uint31 } from '../schema.ts'

export const brokerHeartbeat = defineApi({
  key: 63,
  name: 'BrokerHeartbeat',
  versions: [0, 1],
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
  }),
  response: struct({
    isFenced: field(boolean, 'The cluster does not count on it.'),
    mayStop: field(boolean, 'It leads nothing any more.'),
  }),
})

/**
 * Every setting of a node, once: from this table come defaults, validation, the names of environment variables, the
 * typed `NodeConfig`, `millrace config list` and docs/CONFIGURATION.md. Keys that mean what Kafka's mean have Kafka's
 * name. The defaults of topics (`log.retention.ms`, …) come from the table of topic configs; schema.ts joins the two.
 */
import { dayMs, GiB, hourMs, KiB, MiB, minuteMs, secondMs } from '../../util/units.ts'
import { type ConfigSpec, dynamicSetting, setting } from './spec.ts'
import * as type from './types.ts'
import { bytes, count, ms } from './types.ts'

const int32Max = 2 ** 31 - 1

/** The keys and kinds here are those of `NodeConfig`. */
export const nodeSettings = {
  'node.id': setting(
    'node',
    count(0, int32Max),
    1,
    'Number of this node, unique in its cluster. It cannot change once the data directory exists.',
  ),
  'process.roles': setting(
    'node',
    type.roles,
    'broker,controller',
    'What this process is: `broker` keeps records, `controller` may vote on metadata.',
  ),
  'log.dirs': setting(
    'node',
    type.directory,
    './data',
    'Directory of everything the node keeps: records, metadata, its lock.',
  ),
  'broker.rack': setting(
    'node',
    type.optionalText,
    '',
    'Rack of this node: replicas of a partition are spread over racks.',
  ),

  listeners: setting(
    'network',
    type.listeners,
    'ws://127.0.0.1:9292',
    'Where clients connect, WebSocket and HTTP. Port 0: any free one; `ws://0.0.0.0:9292`: every address of the machine.',
  ),
  'advertised.listeners': setting(
    'network',
    type.optionalListeners,
    '',
    'What clients are told to connect to; nothing: the listeners. Needed when listening on every address.',
  ),
  'peer.listener': setting(
    'network',
    type.optionalListeners,
    '',
    'Where other nodes connect. Nothing: none for a node that is alone, else `ws://127.0.0.1:9293`.',
  ),
  'advertised.peer.listener': setting(
    'network',
    type.optionalListeners,
    '',
    'What other nodes are told to connect to; nothing: this node’s address in controller.quorum.voters, or peer.listener.',
  ),
  'allow.insecure.listeners': setting(
    'network',
    type.boolean,
    'false',
    'Listen on addresses other machines can reach although nobody is asked who he is.',
  ),
  'allowed.hosts': setting(
    'network',
    type.hosts,
    '',
    'Further names the node answers to in `Host`, beside its own: those of a proxy in front.',
  ),
  'allowed.origins': setting(
    'network',
    type.origins,
    '',
    'Web origins whose pages may connect, beside the node’s own; exact: scheme, host and port.',
  ),
  'max.connections': setting('network', count(1, 1_000_000), 10_000, 'TCP connections to this node; more are refused.'),
  'max.connections.per.ip': setting(
    'network',
    count(1, 1_000_000),
    2_000,
    'TCP connections from one address; more are refused.',
  ),
  'connections.max.idle.ms': setting(
    'network',
    ms(secondMs, 30 * dayMs),
    10 * minuteMs,
    'A connection without a request for this long is closed.',
  ),
  'connection.handshake.timeout.ms': setting(
    'network',
    ms(100, hourMs),
    10 * secondMs,
    'Time a new connection has to say who it is.',
  ),
  'socket.request.max.bytes': setting(
    'network',
    bytes(16 * KiB, GiB),
    32 * MiB,
    'Largest request; a larger one closes its connection before it is received.',
  ),
  'connection.queued.max.request.bytes': setting(
    'network',
    bytes(16 * KiB, GiB),
    32 * MiB,
    'Bytes of requests of one connection that are not answered yet; reading pauses at it.',
  ),
  'queued.max.request.bytes': setting(
    'network',
    bytes(16 * KiB, 64 * GiB),
    256 * MiB,
    'The same over all connections of the node.',
  ),
  'connection.buffered.max.bytes': setting(
    'network',
    bytes(MiB, 4 * GiB),
    96 * MiB,
    'A connection that leaves more than this unread is closed.',
  ),
  'http.request.max.bytes': setting(
    'network',
    bytes(16 * KiB, GiB),
    8 * MiB,
    'Largest body of an HTTP request; a larger one is answered with 413. Also the most that one GET of records asks for.',
  ),
  'http.queued.max.bytes': setting(
    'network',
    bytes(64 * KiB, 64 * GiB),
    64 * MiB,
    'Bodies and answers of HTTP requests held at once. New requests wait from half of it on; at it they are refused with 503.',
  ),
  'slow.reader.timeout.ms': setting(
    'network',
    ms(100, hourMs),
    30 * secondMs,
    'A connection that takes nothing for this long while answers wait is closed; one that takes too little, when others wait for the memory of its answers.',
  ),

  'num.partitions': setting('topics', count(1, 10_000), 1, 'Partitions of a topic that is created without a number.'),
  'default.replication.factor': setting(
    'topics',
    count(1, 15),
    1,
    'Replicas of a partition that is created without a number. In a cluster of three nodes or more: 3.',
  ),
  'auto.create.topics.enable': setting(
    'topics',
    type.boolean,
    'true',
    'Create a topic when somebody asks for one that does not exist and allows it.',
  ),

  'log.retention.check.interval.ms': setting(
    'log',
    ms(1, dayMs),
    5 * minuteMs,
    'How often old segments are looked for.',
  ),
  'log.tail.cache.max.bytes': setting(
    'log',
    bytes(0, 64 * GiB),
    64 * MiB,
    'Newest batches kept in memory, for consumers and followers at the end of their logs; for all partitions together.',
  ),
  'log.read.ahead.max.bytes': setting(
    'log',
    bytes(0, 64 * GiB),
    32 * MiB,
    'Bytes read from files in advance, for consumers that read one part of a log after the other; for all of them together.',
  ),
  'log.open.files.max': setting('log', count(16, 1_000_000), 512, 'Files of the log held open at once.'),
  'log.syncs.in.flight.max': setting(
    'log',
    count(1, 64),
    2,
    'fdatasync calls at once. Each holds a thread of libuv’s pool (four, unless UV_THREADPOOL_SIZE says otherwise), and the metadata need one too.',
  ),
  'log.unflushed.max.bytes': setting(
    'log',
    bytes(MiB, 4 * GiB),
    64 * MiB,
    'Appended bytes that wait for the disk; above it, appends wait.',
  ),

  'fetch.max.bytes': setting(
    'broker',
    bytes(KiB, GiB),
    55 * MiB,
    'Upper limit of the bytes one fetch is answered with.',
  ),
  'fetch.max.wait.ms': setting(
    'broker',
    ms(0, hourMs),
    30 * secondMs,
    'Upper limit of the time one fetch waits for records.',
  ),
  'fetch.memory.max.bytes': setting(
    'broker',
    bytes(MiB, 64 * GiB),
    256 * MiB,
    'Bytes of records that the answers of all fetches under way hold.',
  ),
  'replica.lag.time.max.ms': setting(
    'broker',
    ms(100, hourMs),
    10 * secondMs,
    'A follower that has not had everything of its leader for this long leaves the in-sync replicas, so that acks=all does not wait for it.',
  ),
  'replica.in.flight.bytes.max': setting(
    'broker',
    bytes(MiB, GiB),
    16 * MiB,
    'Bytes on their way to one follower. More keeps a wire full that is fast and long; this much waits for a follower that is slow.',
  ),
  'log.sync.stall.max.ms': setting(
    'broker',
    ms(100, hourMs),
    5 * secondMs,
    'A sync of a log that takes longer is a disk that stands still: others lead meanwhile, and acks=all does not wait for this broker.',
  ),
  'replica.catchup.rate.bytes.per.second': dynamicSetting(
    'broker',
    type.rateOrNone,
    -1,
    'How fast this broker, as a leader, feeds replicas that are not in sync, all of them together; -1: as fast as it goes.',
  ),
  'broker.session.timeout.ms': setting(
    'broker',
    ms(100, hourMs),
    9 * secondMs,
    'A broker not heard of for this long is fenced, and leads nothing.',
  ),
  'broker.gone.grace.ms': setting(
    'broker',
    ms(10, hourMs),
    500,
    'How long a broker whose last connection to the controller has closed is waited for before it is fenced. A reconnect takes less.',
  ),
  'broker.heartbeat.interval.ms': setting(
    'broker',
    ms(10, hourMs),
    2 * secondMs,
    'How often a broker tells the controller that it lives.',
  ),
  'request.timeout.ms': setting(
    'broker',
    ms(100, hourMs),
    30 * secondMs,
    'How long this node waits for the controller or another node.',
  ),

  'auto.leader.rebalance.enable': setting(
    'controller',
    type.boolean,
    'true',
    'Give partitions back to their preferred leaders, the first of their replicas, once these are in sync again.',
  ),
  'leader.imbalance.check.interval.seconds': setting(
    'controller',
    type.seconds(1, 86_400),
    300,
    'How often partitions whose preferred leader does not lead are looked for.',
  ),
  'controller.quorum.voters': setting(
    'controller',
    type.voters,
    '',
    'The first voters of the cluster, by their peer listeners, the same on every node: `1@host:9293,2@host:9293`. Nothing: this node alone. Who votes later is in the metadata.',
  ),
  'controller.quorum.election.timeout.ms': setting(
    'controller',
    ms(100, hourMs),
    secondMs,
    'A follower waits between one and two of these for its leader; a leader without quorum or disk gives up after one.',
  ),
  'controller.quorum.heartbeat.interval.ms': setting(
    'controller',
    ms(10, hourMs),
    150,
    'How often a leader of the quorum tells the others that it lives.',
  ),
  'controller.quorum.tick.ms': setting('controller', ms(1, secondMs), 50, 'Resolution of the quorum’s times.'),
  'metadata.log.max.record.bytes.between.snapshots': setting(
    'controller',
    bytes(KiB, 4 * GiB),
    20 * MiB,
    'Bytes of metadata records after which a snapshot replaces them.',
  ),
  'metadata.log.max.records.between.snapshots': setting(
    'controller',
    count(1, int32Max),
    20_000,
    'Metadata records after which a snapshot replaces them.',
  ),
  'metadata.log.retained.records': setting(
    'controller',
    count(0, int32Max),
    1_000,
    'Metadata records kept behind a snapshot, for controllers that are a little late.',
  ),
  'metadata.log.write.timeout.ms': setting(
    'controller',
    ms(100, hourMs),
    30 * secondMs,
    'A metadata write without an answer from the disk for this long has failed, and the node stops.',
  ),

  'log.level': setting(
    'observability',
    type.oneOf(['debug', 'info', 'warn', 'error', 'silent']),
    'info',
    'Least severe line that is logged.',
  ),
  'log.format': setting(
    'observability',
    type.oneOf(['auto', 'json', 'text']),
    'auto',
    'Form of the log on stderr. `auto`: text at a terminal, else JSON.',
  ),
  'metrics.partition.series.max': setting(
    'observability',
    count(0, 1_000_000),
    1_000,
    'Partitions with series of their own in `/metrics`; beyond it only sums.',
  ),
} as const satisfies Record<string, ConfigSpec>

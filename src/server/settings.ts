/** From the keys an operator knows to what a node is told. */
import type { BrokerConfigEntry } from '../broker/runtime.ts'
import type { RestLimits } from '../http/router.ts'
import type { Failure } from '../protocol/errors.ts'
import { defaultPeerTiming } from '../quorum/network/types.ts'
import { toNodeId } from '../util/numbers.ts'
import { secondMs } from '../util/units.ts'
import { type ConfigEntry, configSpecs, type NodeConfig, voterUrlsOf } from './config/index.ts'
import type { NodeSettings } from './node-settings.ts'

/** How long a stop waits for others. Not a setting: supervisors kill after ten seconds, and this must end before. */
const shutdownGraceMs = 5_000

const catchUpRateKey = 'replica.catchup.rate.bytes.per.second'

export function settingsFrom(config: NodeConfig, clusterId: string | null): NodeSettings {
  const entries = config.entries.map(brokerConfigEntry)
  return {
    nodeId: toNodeId(config.nodeId),
    isBroker: config.processRoles.includes('broker'),
    voters: new Map([...voterUrlsOf(config)].map(([id, url]) => [toNodeId(id), url])),
    rack: config.brokerRack,
    clusterId,
    logs: {
      tailCacheBytesMax: config.logTailCacheMaxBytes,
      readAheadBytesMax: config.logReadAheadMaxBytes,
      openFilesMax: config.logOpenFilesMax,
      syncsInFlightMax: config.logSyncsInFlightMax,
      unflushedBytesMax: config.logUnflushedMaxBytes,
    },
    broker: {
      replication: {
        inFlightBytesMax: config.replicaInFlightBytesMax,
        requestTimeoutMs: config.requestTimeoutMs,
        lagMsMax: config.replicaLagTimeMaxMs,
        syncStallMsMax: config.logSyncStallMaxMs,
        catchUpBytesPerSecond: image => {
          const altered = image.brokerConfigs.get(toNodeId(config.nodeId))?.get(catchUpRateKey)
          return altered === undefined ? config.replicaCatchupRateBytesPerSecond : Number(altered)
        },
      },
      autoCreateTopics: config.autoCreateTopicsEnable,
      fetchBytesMax: config.fetchMaxBytes,
      fetchWaitMsMax: config.fetchMaxWaitMs,
      fetchMemoryBytesMax: config.fetchMemoryMaxBytes,
      retentionCheckIntervalMs: config.logRetentionCheckIntervalMs,
    },
    transport: {
      handshakeTimeoutMs: config.connectionHandshakeTimeoutMs,
      connectionInFlightBytesMax: config.connectionQueuedMaxRequestBytes,
      nodeInFlightBytesMax: config.queuedMaxRequestBytes,
      bufferedBytesMax: config.connectionBufferedMaxBytes,
      slowReaderTimeoutMs: config.slowReaderTimeoutMs,
      idleTimeoutMs: config.connectionsMaxIdleMs,
    },
    // A connection to a node that is slow, and not gone, is not worth an election.
    peerTiming: { silenceMs: Math.max(defaultPeerTiming.silenceMs, 2 * config.controllerQuorumElectionTimeoutMs) },
    quorumTiming: {
      tickMs: config.controllerQuorumTickMs,
      electionTimeoutMs: config.controllerQuorumElectionTimeoutMs,
      heartbeatMs: config.controllerQuorumHeartbeatIntervalMs,
    },
    quorumSnapshots: {
      entriesMax: config.metadataLogMaxRecordsBetweenSnapshots,
      bytesMax: config.metadataLogMaxRecordBytesBetweenSnapshots,
      retainedEntries: config.metadataLogRetainedRecords,
    },
    topicCreation: {
      numPartitions: config.numPartitions,
      replicationFactor: config.defaultReplicationFactor,
      minInsyncReplicas: config.topics.minInsyncReplicas,
      isUncleanAllowed: config.topics.isUncleanAllowed,
    },
    topicDefaults: config.topicDefaults,
    describeConfig: () => entries,
    validateBrokerConfig,
    brokerSessionTimeoutMs: config.brokerSessionTimeoutMs,
    brokerGoneGraceMs: config.brokerGoneGraceMs,
    brokerHeartbeatIntervalMs: config.brokerHeartbeatIntervalMs,
    leaderBalanceIntervalMs: config.autoLeaderRebalanceEnable
      ? config.leaderImbalanceCheckIntervalSeconds * secondMs
      : null,
    controllerRequestTimeoutMs: config.requestTimeoutMs,
    shutdownGraceMs,
  }
}

export function restLimits(config: NodeConfig): RestLimits {
  return {
    bodyBytesMax: config.httpRequestMaxBytes,
    heldBytesMax: config.httpQueuedMaxBytes,
    slowReaderTimeoutMs: config.slowReaderTimeoutMs,
  }
}

function brokerConfigEntry({ key, value, origin, isDynamic, doc }: ConfigEntry): BrokerConfigEntry {
  return { key, value, source: origin === 'default' ? 'default' : 'broker-static', isReadOnly: !isDynamic, doc }
}

/** Which settings may be changed while nodes run, and to what. */
function validateBrokerConfig(key: string, value: string | null): Failure | null {
  const spec = configSpecs.get(key)
  if (spec === undefined) return { error: 'INVALID_CONFIG', message: `There is no setting ${key}.` }
  if (!spec.isDynamic) return { error: 'INVALID_CONFIG', message: `${key} cannot be altered while the node runs.` }
  const fault = value === null ? null : spec.kind.fault(value)
  return fault === null ? null : { error: 'INVALID_CONFIG', message: `${key}=${value}: ${fault}.` }
}

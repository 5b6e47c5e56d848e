/** What is produced and consumed in a simulated cluster, drawn from the seed of its run. */
import type { FlushPolicy } from '../../log/types.ts'
import type { Random } from '../../util/random.ts'

export interface DataTopic {
  readonly name: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly minInsyncReplicas: number
  readonly flushPolicy: FlushPolicy
  readonly segmentBytes: number
  /** `null`: as large as the default. What is larger is refused, and sent again in parts. */
  readonly maxMessageBytes: number | null
  /** Whoever is there may lead, and what it lacks is lost. */
  readonly isUncleanAllowed: boolean
}

export interface DataWorld {
  readonly topics: readonly DataTopic[]
  /** One that is deleted and created anew all the time. */
  readonly shortLived: DataTopic | null
  readonly producerCount: number
  readonly readerCount: number
  /** Requests of one producer to one broker at a time; with more than one a refusal may change the order. */
  readonly inFlightMax: number
  /** Sends of one producer that wait for answers. */
  readonly lanes: number
  /** Between an answer and the next send of a lane, on average. */
  readonly thinkMs: number
  readonly lingerMs: number
  /** The mean of padding behind each value. */
  readonly paddingBytes: number
  /** Share of producers that ask the leader alone for an answer, or nobody. */
  readonly weakShare: number
}

export function drawDataWorld(random: Random, brokerCount: number): DataWorld {
  const between = (min: number, max: number): number => min + random.nextInt(max - min + 1)
  return {
    topics: Array.from({ length: between(1, 2) }, (_, at) => drawTopic(random, `d${at + 1}`, brokerCount)),
    shortLived: random.nextInt(2) === 0 ? drawTopic(random, 'e1', brokerCount) : null,
    producerCount: between(1, 3),
    readerCount: between(1, 2),
    inFlightMax: [1, 2, 5][random.nextInt(3)]!,
    lanes: between(1, 4),
    thinkMs: between(30, 300),
    lingerMs: random.nextInt(2) * 5,
    paddingBytes: random.nextInt(2) * 100,
    weakShare: random.nextInt(3) === 0 ? 0.2 : 0,
  }
}

/** As a client gives them. */
export function configsOf({
  minInsyncReplicas,
  flushPolicy,
  segmentBytes,
  maxMessageBytes,
  isUncleanAllowed,
}: DataTopic): Record<string, string | number> {
  return {
    'min.insync.replicas': minInsyncReplicas,
    'flush.policy': flushPolicy,
    'segment.bytes': segmentBytes,
    'index.interval.bytes': 500,
    ...(maxMessageBytes === null ? {} : { 'max.message.bytes': maxMessageBytes }),
    ...(isUncleanAllowed ? { 'unclean.leader.election.enable': 'true' } : {}),
  }
}

/** Those with records, whose replicas are compared. */
export function topicsOf({ topics, shortLived }: DataWorld): readonly DataTopic[] {
  return shortLived === null ? topics : [...topics, shortLived]
}

const replicasMax = 3

function drawTopic(random: Random, name: string, brokerCount: number): DataTopic {
  const between = (min: number, max: number): number => min + random.nextInt(max - min + 1)
  const most = Math.min(replicasMax, brokerCount)
  const replicationFactor = random.nextInt(4) === 0 ? between(1, most) : most
  return {
    name,
    partitions: between(1, 3),
    replicationFactor,
    minInsyncReplicas: random.nextInt(2) === 0 ? Math.min(2, replicationFactor) : between(1, replicationFactor),
    flushPolicy: random.nextInt(3) === 0 ? 'os' : 'sync',
    // So that there are closed segments to lose, to find again and to cut.
    segmentBytes: [2_000, 8_000, 1_000_000][random.nextInt(3)]!,
    maxMessageBytes: null,
    isUncleanAllowed: false,
  }
}

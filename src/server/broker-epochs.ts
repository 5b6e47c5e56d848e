/**
 * The epoch under which this broker was registered last, kept beside its logs. Sent with the next registration it says
 * that the logs have everything this broker acknowledged under it (KIP-966): a disk that was replaced or put
 * back from a backup names none, or an older one. A broker that cannot know is silent, and trusted with nothing.
 *
 * A process that dies may not have lived to write down its epoch, nor have registered at all. So what it knows of those before
 * it is on disk before it registers, and by which incarnation it will be known: the metadata say whether that came about.
 */
import { checkedLines, replaceFile, withCrc } from '../log/atomic-file.ts'
import type { Disk } from '../log/disk.ts'
import { wasStoppedCleanly } from '../log/log-manager.ts'
import type { BrokerImage, MetadataImage } from '../metadata/image.ts'
import { resolveTopicConfig } from '../metadata/topic-configs.ts'
import type { Logger } from '../util/logger.ts'
import { type BrokerEpoch, type NodeId, toBrokerEpoch } from '../util/numbers.ts'

const name = 'broker-epoch'
const formatVersion = 0

/**
 * What an unclean stop may have cost of what was acknowledged: with `os` what only the page cache had; nothing with `sync`,
 * unless a topic was changed to `os` meanwhile; with `none` nothing at all, for nothing was taken since it was known to be there.
 */
type Unflushed = 'none' | 'sync' | 'os'

interface Stored {
  readonly epoch: BrokerEpoch | null
  /** Under that epoch. */
  readonly flush: Unflushed
  /** The process that was about to register after it, and what is true of its epoch then. */
  readonly next: { readonly incarnationId: string; readonly flush: Unflushed } | null
}

interface Place {
  readonly disk: Disk
  /** Of the partitions, on `disk`. */
  readonly directory: string
  readonly logger: Logger
}

export interface BrokerEpochsOptions extends Place {
  /** Of this process. */
  readonly incarnationId: string
  /** This broker, as the metadata have it. */
  readonly registered: Pick<BrokerImage, 'epoch' | 'incarnationId'> | null
  /** Whether a log here acknowledges what only the page cache has (`flush.policy=os`). */
  readonly hasUnflushed: () => boolean
  /** Whether the disk failed a log: it may lack anything. */
  readonly hasFailed: () => boolean
}

/** Before the logs are opened, and what says that the stop was clean is gone: everything appended is on disk, whatever the policy. */
export async function keepCleanStop(place: Place): Promise<void> {
  if (!wasStoppedCleanly(place.disk, place.directory)) return
  const stored = read(place)
  if (stored === null) return
  const { epoch, next } = stored
  await write(place, { epoch, flush: 'none', next: next && { ...next, flush: 'none' } })
}

export class BrokerEpochs {
  readonly #options: BrokerEpochsOptions
  /** What the logs were complete for when they were opened, or what this process has registered since. */
  #known: BrokerEpoch | null

  constructor(options: BrokerEpochsOptions) {
    this.#options = options
    this.#known = completeEpoch(read(options), options)
  }

  /** The epoch for which the logs have everything; `null` when there is none. */
  previous(): BrokerEpoch | null {
    return this.#options.hasFailed() ? null : this.#known
  }

  /** This process is about to register for the first time. Resolves when that is on disk, or known not to be, like `remember`. */
  announce(): Promise<void> {
    const { incarnationId } = this.#options
    return write(this.#options, { epoch: this.#known, flush: 'none', next: { incarnationId, flush: this.#policy } })
  }

  /**
   * The broker is registered under `epoch`. Resolves when that is on disk, or known not to be: what is there then is older,
   * and the next start of this broker is trusted less than it could be.
   */
  remember(epoch: BrokerEpoch): Promise<void> {
    this.#known = epoch
    return write(this.#options, { epoch, flush: this.#policy, next: null })
  }

  get #policy(): Unflushed {
    return this.#options.hasUnflushed() ? 'os' : 'sync'
  }
}

function completeEpoch(stored: Stored | null, { registered, hasUnflushed }: BrokerEpochsOptions): BrokerEpoch | null {
  if (stored === null) return null
  const { next } = stored
  const hasRegistered = next !== null && registered?.incarnationId === next.incarnationId
  const { epoch, flush } = hasRegistered ? { epoch: registered!.epoch, flush: next.flush } : stored
  // The policy may have been another one while the broker ran: what it was at the registration counts as well.
  const isComplete = flush === 'none' || (flush === 'sync' && !hasUnflushed())
  return isComplete ? epoch : null
}

async function write({ disk, directory, logger }: Place, { epoch, flush, next }: Stored): Promise<void> {
  const path = pathIn(directory)
  const lines = [`version ${formatVersion}`, `epoch ${epoch ?? 'none'}`, `flush ${flush}`]
  if (next !== null) lines.push(`next ${next.incarnationId} ${next.flush}`)
  try {
    await replaceFile(disk, { run: sync => sync() }, path, withCrc(`${lines.join('\n')}\n`))
  } catch (error) {
    logger.warn({ error, path, epoch }, 'the epoch of this broker could not be written down')
  }
}

/** `null`: there is none, or none that can be read. */
function read({ disk, directory, logger }: Place): Stored | null {
  const path = pathIn(directory)
  if (!disk.exists(path)) return null
  const lines = checkedLines(disk.readWhole(path)) ?? []
  const [, epoch, flush, incarnationId, nextFlush] =
    /^version 0\nepoch (\d{1,16}|none)\nflush (none|sync|os)(?:\nnext (\S+) (none|sync|os))?$/.exec(lines.join('\n')) ??
    []
  if (epoch === undefined) {
    logger.warn({ path }, 'the epoch of this broker cannot be read: its logs are not trusted')
    return null
  }
  return {
    epoch: epoch === 'none' ? null : toBrokerEpoch(Number(epoch)),
    flush: flush as Unflushed,
    next: incarnationId === undefined ? null : { incarnationId, flush: nextFlush as Unflushed },
  }
}

function pathIn(directory: string): string {
  return `${directory}/${name}`
}

/** Whether the node has a partition whose records count as durable before they are flushed. */
export function hasUnflushed(
  image: MetadataImage,
  { nodeId, topicDefaults }: { readonly nodeId: NodeId; readonly topicDefaults: ReadonlyMap<string, string> },
): boolean {
  for (const { configs, partitions } of image.topics.byId.values()) {
    const isHere = partitions.some(({ replicas }) => replicas.includes(nodeId))
    if (isHere && resolveTopicConfig(configs, topicDefaults).flushPolicy !== 'sync') return true
  }
  return false
}

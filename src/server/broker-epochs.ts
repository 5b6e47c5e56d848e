/**
 * The epoch under which this broker was registered last, kept beside its logs. Sent with the next registration it says
 * that the logs have everything this broker acknowledged under it (KIP-966): a disk that was replaced or put
 * back from a backup names none, or an older one. A broker that cannot know is silent, and trusted with nothing.
 */
import { checkedLines, replaceFile, withCrc } from '../log/atomic-file.ts'
import type { Disk } from '../log/disk.ts'
import type { MetadataImage } from '../metadata/image.ts'
import { resolveTopicConfig } from '../metadata/topic-configs.ts'
import type { Logger } from '../util/logger.ts'
import { type BrokerEpoch, type NodeId, toBrokerEpoch } from '../util/numbers.ts'

const name = 'broker-epoch'
const formatVersion = 0

export interface BrokerEpochsOptions {
  readonly disk: Disk
  /** Of the partitions, on `disk`. */
  readonly directory: string
  readonly logger: Logger
  /** The stop before this start was clean: everything appended is on disk, whatever the policy. */
  readonly wasClean: boolean
  /** Whether a log here acknowledges what only the page cache has (`flush.policy=os`). */
  readonly hasUnflushed: () => boolean
  /** Whether the disk failed a log: it may lack anything. */
  readonly hasFailed: () => boolean
}

export class BrokerEpochs {
  readonly #options: BrokerEpochsOptions
  /** What the logs were complete for when they were opened, or what this process has registered since. */
  #known: BrokerEpoch | null

  constructor(options: BrokerEpochsOptions) {
    this.#options = options
    const stored = this.#read()
    // The policy may have been another one while the broker ran: what it was at the registration counts as well.
    const isComplete = options.wasClean || !(options.hasUnflushed() || stored?.hasUnflushed)
    this.#known = stored !== null && isComplete ? stored.epoch : null
  }

  /** The epoch for which the logs have everything; `null` when there is none. */
  previous(): BrokerEpoch | null {
    return this.#options.hasFailed() ? null : this.#known
  }

  /**
   * The broker is registered under `epoch`. Resolves when that is on disk, or known not to be: an older epoch is there
   * then, or none, and the next start of this broker is trusted less than it could be.
   */
  async remember(epoch: BrokerEpoch): Promise<void> {
    const { disk, logger, hasUnflushed } = this.#options
    this.#known = epoch
    const text = `version ${formatVersion}\nepoch ${epoch}\nflush ${hasUnflushed() ? 'os' : 'sync'}\n`
    try {
      await replaceFile(disk, { run: sync => sync() }, this.#path, withCrc(text))
    } catch (error) {
      logger.warn({ error, path: this.#path, epoch }, 'the epoch of this broker could not be written down')
    }
  }

  get #path(): string {
    return `${this.#options.directory}/${name}`
  }

  #read(): { readonly epoch: BrokerEpoch; readonly hasUnflushed: boolean } | null {
    const { disk, logger } = this.#options
    if (!disk.exists(this.#path)) return null
    const lines = checkedLines(disk.readWhole(this.#path))
    const [version, epoch, flush] = lines ?? []
    const number = /^epoch (\d{1,16})$/.exec(epoch ?? '')?.[1]
    if (version === `version ${formatVersion}` && number !== undefined) {
      return { epoch: toBrokerEpoch(Number(number)), hasUnflushed: flush !== 'flush sync' }
    }
    logger.warn({ path: this.#path }, 'the epoch of this broker cannot be read: its logs are not trusted')
    return null
  }
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

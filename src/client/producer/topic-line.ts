/** A topic as the accumulator sees it: its partitions' queues, who waits to get in, and where unkeyed messages go. */

import { Fifo } from '../../util/fifo.ts'
import type { Cluster } from '../cluster.ts'
import { PartitionQueue, type SendEpochs } from './partition-queue.ts'
import type { SendCall } from './send-call.ts'
import type { Message, ProducerSettings } from './types.ts'

export class TopicLine {
  readonly name: string
  readonly partitions: PartitionQueue[] = []
  /** Calls with messages that are in no batch yet, in order. */
  readonly waiting = new Fifo<SendCall>()
  /** Its metadata is being fetched. */
  isLoading = false
  /** Its first waiting call waits for memory. */
  isInMemoryLine = false
  /** A batch is full at this many bytes: what the options say, or less once the broker found a batch too large. */
  batchBytes: number
  /** Bytes of messages without a key since their partition was chosen. */
  stickyBytes = 0
  /** -1 for not chosen. */
  #sticky = -1
  readonly #settings: ProducerSettings
  readonly #cluster: Cluster
  readonly #sendEpochs: SendEpochs

  constructor(name: string, settings: ProducerSettings, cluster: Cluster, sendEpochs: SendEpochs) {
    this.name = name
    this.#settings = settings
    this.#cluster = cluster
    this.#sendEpochs = sendEpochs
    this.batchBytes = settings.batchBytes
    this.grow()
  }

  /** Takes in what the view says now. Partitions are only ever added to a topic. */
  grow(): void {
    const count = this.#cluster.topic(this.name)?.partitions.length ?? 0
    for (let partition = this.partitions.length; partition < count; partition++) {
      this.partitions.push(new PartitionQueue(this.name, partition, this.#sendEpochs))
    }
  }

  /** The partition the message belongs to; `null`: it does not care. */
  choose(message: Message): number | null {
    if (message.partition !== undefined) return message.partition
    const { partitioner } = this.#settings
    return partitioner(message as { key?: string | Uint8Array | null }, this.name, this.partitions.length)
  }

  /** Where messages go that do not care. */
  stick(): number {
    const isOver = this.#sticky < 0 || this.stickyBytes >= this.batchBytes
    return isOver ? this.stickAnew() : this.#sticky
  }

  /** Another partition than the last, uniformly among those that have a leader (KIP-794). */
  stickAnew(): number {
    const { random } = this.#settings
    const others = this.partitions.filter(queue => queue.partition !== this.#sticky)
    const led = others.filter(queue => this.#cluster.leader(this.name, queue.partition) !== null)
    const choices = led.length > 0 ? led : others
    if (choices.length > 0) this.#sticky = choices[random.nextInt(choices.length)]!.partition
    this.stickyBytes = 0
    return this.#sticky
  }
}

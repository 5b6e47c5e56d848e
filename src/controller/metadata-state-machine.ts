/**
 * The replicated state of the controllers: replays committed entries into the image and tells this node's rooms what
 * changed. The same on every node at the same index.
 */
import type { ClusterImage } from '../metadata/cluster-image.ts'
import { emptyImage } from '../metadata/cluster-image.ts'
import { deltaSteps } from '../metadata/delta.ts'
import type { MetadataDelta, MetadataImage, MetadataSource } from '../metadata/image.ts'
import { decodeEntry } from '../metadata/records.ts'
import { ImageBuilder, replayEntry } from '../metadata/replay.ts'
import { restoreSteps, snapshotChunks } from '../metadata/snapshot.ts'
import type { CommittedEntry, StateMachine } from '../quorum/types.ts'
import type { LogIndex } from '../util/numbers.ts'

type Listener = (image: MetadataImage, delta: MetadataDelta) => void

export class MetadataStateMachine implements StateMachine, MetadataSource {
  readonly #listeners = new Set<Listener>()
  #image: ClusterImage = emptyImage
  #onSkipped: (index: LogIndex) => void = () => {}

  /** What has been committed and applied here. */
  image(): ClusterImage {
    return this.#image
  }

  /** Listeners are called within `apply`: the image is published before a proposal's answer. They must not throw. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Called with the index of each entry that was passed over (see `replayEntry`). One listener. */
  onSkipped(listener: (index: LogIndex) => void): void {
    this.#onSkipped = listener
  }

  apply(entries: readonly CommittedEntry[]): void {
    const builder = new ImageBuilder(this.#image)
    for (const { index, data } of entries) {
      if (!replayEntry(builder, decodeEntry(data))) this.#onSkipped(index)
    }
    if (builder.lastOffset === this.#image.lastOffset) return
    const { image, delta } = builder.finish()
    this.#publish(image, delta)
  }

  /** The image never changes: its pieces are of this moment, whenever they are pulled. */
  snapshot(): Iterable<Uint8Array> {
    return snapshotChunks(this.#image)
  }

  *restore(snapshot: Uint8Array): Generator<void, undefined> {
    const image = yield* restoreSteps(snapshot)
    const delta = yield* deltaSteps(this.#image, image)
    this.#publish(image, delta)
  }

  #publish(image: ClusterImage, delta: MetadataDelta): void {
    this.#image = image
    for (const listener of [...this.#listeners]) listener(image, delta)
  }
}

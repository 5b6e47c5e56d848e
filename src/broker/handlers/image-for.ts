/** What a request that only looks is answered from: this node's metadata as they are, or once they are proved current. */
import type { MetadataImage } from '../../metadata/image.ts'
import type { BrokerRuntime } from '../runtime.ts'

export function imageFor(
  broker: BrokerRuntime,
  { readTimeoutMs }: { readonly readTimeoutMs: number },
): MetadataImage | Promise<MetadataImage> {
  return readTimeoutMs > 0 ? broker.controller.currentImage(readTimeoutMs) : broker.metadata.image()
}

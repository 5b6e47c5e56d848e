/** Where a client of a simulated cluster runs: a process of its own, with production options over simulated ports. */
import type { ClientOptions, WithPorts } from '../../client/options.ts'
import { silentLogger } from '../../util/logger.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import { forkRandom } from '../quorum/cluster.ts'
import { SimProcess } from '../quorum/process.ts'
import type { NodeCluster } from './cluster.ts'
import { clientUrlOf } from './machine.ts'

/** For all attempts of one operation. */
export const requestTimeoutMs = 6_000
const connectTimeoutMs = 1_000

export class ClientMachine {
  readonly id: NodeId
  readonly cluster: NodeCluster
  readonly random: Random
  #running: SimProcess

  constructor(id: NodeId, cluster: NodeCluster, random: Random) {
    this.id = id
    this.cluster = cluster
    this.random = random
    this.#running = new SimProcess(cluster.timeline, 1, 0)
  }

  /** The process is killed, and another one takes its place. */
  restart(): void {
    this.#running.kill()
    this.cluster.sockets.detach(this.id, false)
    this.#running = new SimProcess(this.cluster.timeline, 1, 0)
  }

  /** `bootstrap`: by default one node, or several. */
  options(bootstrap: readonly string[] = this.#somewhere()): WithPorts<ClientOptions> {
    return {
      bootstrap,
      connectTimeoutMs,
      requestTimeoutMs,
      metadataTimeoutMs: requestTimeoutMs,
      socketFactory: this.cluster.sockets.attach({ id: this.id, process: this.#running }),
      codecs: { gzip: null, snappy: null, lz4: null, zstd: null },
      clock: this.#running,
      random: forkRandom(this.random),
      logger: silentLogger,
    }
  }

  everywhere(): readonly string[] {
    return this.cluster.ids.map(clientUrlOf)
  }

  #somewhere(): readonly string[] {
    const urls = this.everywhere()
    const known = urls.filter(() => this.random.nextInt(2) === 0)
    return known.length > 0 ? known : [urls[this.random.nextInt(urls.length)]!]
  }
}

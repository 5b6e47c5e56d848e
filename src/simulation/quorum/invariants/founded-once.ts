/**
 * A cluster is founded once, by all its first voters: whoever founds without some of them, or again after its disk was
 * lost, makes a second cluster under the same addresses (KIP-853: why a quorum is formatted with its voters).
 */
import type { Input } from '../../../raft/input-effect.ts'
import type { NodeId } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

const name = 'founded once'

export class FoundedOnce implements Invariant {
  readonly #founders: readonly NodeId[]
  #clusterId: string | null = null

  constructor(founders: readonly NodeId[]) {
    this.#founders = founders
  }

  stepped({ id }: MemberView, input: Input): void {
    if (input.kind !== 'found') return
    const { voters, clusterId = '' } = input.configuration
    const isWhole = this.#founders.every(founder => voters.includes(founder))
    hold(isWhole, name, () => `${id} founds with [${voters}], not with [${this.#founders}]`)
    hold(this.#clusterId === null || this.#clusterId === clusterId, name, () => `${id} founds ${clusterId} as well`)
    this.#clusterId = clusterId
  }
}

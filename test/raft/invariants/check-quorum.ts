/**
 * A leader that hears from no quorum for an election timeout leads no more (thesis, section 6.2; KAFKA-15489). Counted
 * here by what reaches it, from when it began to lead or its configuration changed.
 */
import assert from 'node:assert/strict'
import { hasQuorum } from '../../../src/raft/quorum-math.ts'
import type { Configuration } from '../../../src/raft/types.ts'
import type { NodeId } from '../../../src/util/numbers.ts'
import type { Invariant } from './invariant.ts'

interface Reign {
  readonly term: number
  readonly configuration: Configuration
  readonly sinceTick: number
  readonly heardTicks: Map<NodeId, number>
}

export function leaderHearsQuorum(): Invariant {
  const reigns = new Map<NodeId, Reign>()
  return {
    stepped({ server, raft, input }) {
      const { term, tick, role, options } = raft
      if (role.kind !== 'leader') return
      const { current: configuration } = raft.configurations
      let reign = reigns.get(server.id)
      if (reign === undefined || reign.term !== term || reign.configuration !== configuration) {
        reigns.set(server.id, (reign = { term, configuration, sinceTick: tick, heardTicks: new Map() }))
      }
      if (input.kind === 'message' && input.message.term === term) reign.heardTicks.set(input.message.from, tick)
      if (input.kind !== 'tick') return
      const { heardTicks, sinceTick } = reign
      const isHeard = hasQuorum(configuration, id => {
        return id === server.id || (heardTicks.get(id) ?? sinceTick) >= tick - options.electionTimeoutTicks
      })
      assert.ok(isHeard, `the leader of term ${term} hears no quorum`)
    },
  }
}

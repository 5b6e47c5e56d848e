/** Majorities against a reference that tries every subset: 1 to 7 voters, joint or not, with learners. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasQuorum, majorityOf, quorumIndex, tally } from '../../src/raft/quorum-math.ts'
import type { Configuration } from '../../src/raft/types.ts'
import { type NodeId, toLogIndex, toNodeId } from '../../src/util/numbers.ts'
import { runs } from '../support/depth.ts'

const allIds = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(toNodeId)

const someVoters = fc.subarray(allIds, { minLength: 1, maxLength: 7 })
const configurations: fc.Arbitrary<Configuration> = fc
  .record({
    voters: someVoters,
    oldVoters: fc.oneof(fc.constant([]), someVoters),
    learners: fc.subarray(allIds, { maxLength: 3 }),
  })
  .map(({ voters, oldVoters, learners }) => {
    return { voters, oldVoters, learners: learners.filter(id => !voters.includes(id)) }
  })

/** More than half, by the book, for one set. */
function decides(voters: readonly NodeId[], yes: ReadonlySet<NodeId>): boolean {
  return 2 * voters.filter(id => yes.has(id)).length > voters.length
}

function decidesJointly({ voters, oldVoters }: Configuration, yes: ReadonlySet<NodeId>): boolean {
  return decides(voters, yes) && (oldVoters.length === 0 || decides(oldVoters, yes))
}

test('majorities of 1 to 7', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(majorityOf), [1, 2, 2, 3, 3, 4, 4])
})

test('hasQuorum agrees with the reference', () => {
  fc.assert(
    fc.property(configurations, fc.subarray(allIds), (configuration, yes) => {
      const set = new Set(yes)
      assert.equal(
        hasQuorum(configuration, id => set.has(id)),
        decidesJointly(configuration, set),
      )
    }),
    { numRuns: runs(2000) },
  )
})

test('any two quorums of neighbouring configurations share a server', () => {
  fc.assert(
    fc.property(someVoters, someVoters, fc.subarray(allIds), fc.subarray(allIds), (before, after, one, other) => {
      const joint = { voters: after, oldVoters: before, learners: [] }
      const first = { voters: before, oldVoters: [], learners: [] }
      const last = { voters: after, oldVoters: [], learners: [] }
      for (const neighbour of [first, last, joint]) {
        const isBoth = hasQuorum(joint, id => one.includes(id)) && hasQuorum(neighbour, id => other.includes(id))
        if (isBoth) assert.ok(one.some(id => other.includes(id)))
      }
    }),
    { numRuns: runs(2000) },
  )
})

test('tally is lost exactly when no further vote could win', () => {
  const votes = fc.array(fc.constantFrom(true, false, undefined), { minLength: 9, maxLength: 9 })
  fc.assert(
    fc.property(configurations, votes, (configuration, answers) => {
      const granted = new Set(allIds.filter((_, i) => answers[i] === true))
      const possible = new Set(allIds.filter((_, i) => answers[i] !== false))
      const expected = decidesJointly(configuration, granted)
        ? 'won'
        : decidesJointly(configuration, possible)
          ? 'pending'
          : 'lost'
      assert.equal(
        tally(configuration, id => answers[id - 1]),
        expected,
      )
    }),
    { numRuns: runs(2000) },
  )
})

test('quorumIndex is the highest index that a quorum has', () => {
  const matches = fc.array(fc.nat(12), { minLength: 9, maxLength: 9 })
  fc.assert(
    fc.property(configurations, matches, (configuration, match) => {
      let expected = 0
      for (let index = 1; index <= 12; index++) {
        const holders = new Set(allIds.filter((_, i) => match[i]! >= index))
        if (decidesJointly(configuration, holders)) expected = index
      }
      assert.equal(
        quorumIndex(configuration, id => toLogIndex(match[id - 1]!)),
        expected,
      )
    }),
    { numRuns: runs(2000) },
  )
})

test('nobody decides without voters', () => {
  const nobody = { voters: [], oldVoters: [], learners: allIds }
  assert.equal(
    hasQuorum(nobody, () => true),
    false,
  )
  assert.equal(
    quorumIndex(nobody, () => toLogIndex(9)),
    0,
  )
  assert.equal(
    tally(nobody, () => true),
    'lost',
  )
})

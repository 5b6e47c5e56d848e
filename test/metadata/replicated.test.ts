/**
 * Random histories of one replicated partition: whatever the decisions are told, in whatever order, who they let lead has
 * every acknowledged record (KIP-497, KIP-903, KIP-966). Each rule, broken, is found by them.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DecisionRules, soundDecisionRules } from '../../src/metadata/rules.ts'
import { type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import { runs } from '../support/depth.ts'
import { ids, ReplicatedPartition } from './replicated.ts'

const stepsPerHistory = 400

type Act = (it: ReplicatedPartition, random: Random) => void

const changes = ['fence', 'hear', 'hear', 'hear', 'hear unfit', 'shut down', 'fail', 'drain', 'end drain'] as const
const targets = [[1, 2, 3], [4, 1], [2, 3, 4], [3], null]

/** What may happen next, each as often as its number says. */
const actions: readonly (readonly [weight: number, act: Act])[] = [
  [16, (it, random) => it.see(anyId(random))],
  [8, it => seeAll(it)],
  [8, (it, random) => it.append(anyId(random))],
  [8, (it, random) => it.follow(leaderOr(it, random), anyId(random))],
  [16, (it, random) => it.commit(leaderOr(it, random))],
  [3, (it, random) => it.ask(anyId(random), null)],
  [12, (it, random) => catchUp(it, random)],
  [4, (it, random) => it.ask(leaderOr(it, random), anyId(random))],
  [10, (it, random) => it.arrive(random.nextInt(8), random.nextInt(4) === 0, random.nextInt(3) > 0)],
  [8, (it, random) => it.change(anyId(random), pick(random, changes))],
  [2, (it, random) => it.restart(anyId(random), random.nextInt(3) > 0, random.nextInt(3) > 0)],
  [1, (it, random) => it.configure(pick(random, ['1', '2', '-1']))],
  [3, it => it.elect('preferred')],
  [1, it => it.elect('unclean')],
  [1, (it, random) => raiseMinIsr(it, random)],
  [1, (it, random) => refuse(it, random)],
  [2, (it, random) => it.move(pick(random, targets))],
]
const deck = actions.flatMap(([weight, act]) => Array.from({ length: weight }, () => act))

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.nextInt(list.length)]!
}

function anyId(random: Random): NodeId {
  return toNodeId(pick(random, ids))
}

function leaderOr(it: ReplicatedPartition, random: Random): NodeId {
  return it.partition.leaderId ?? anyId(random)
}

/** A replica catches up, and the leader asks for it to be in sync. */
function catchUp(it: ReplicatedPartition, random: Random): void {
  const leaderId = leaderOr(it, random)
  it.follow(leaderId, anyId(random))
  it.ask(leaderId, null)
}

/** The leader hears of a higher min.insync.replicas only after it was allowed a smaller ISR. */
function raiseMinIsr(it: ReplicatedPartition, random: Random): void {
  it.configure('1')
  seeAll(it)
  it.configure('2')
  const leaderId = leaderOr(it, random)
  it.ask(leaderId, anyId(random))
  it.arrive(it.onTheWay.length - 1, false, true)
  it.commit(leaderId)
}

/** A request is refused because a replica is away; it is back when the request arrives once more. */
function refuse(it: ReplicatedPartition, random: Random): void {
  const leaderId = leaderOr(it, random)
  const id = anyId(random)
  it.follow(leaderId, id)
  it.change(id, 'fence')
  it.ask(leaderId, null)
  const asked = it.onTheWay.length - 1
  it.arrive(asked, true, true)
  it.change(id, 'hear')
  it.commit(leaderId)
  it.arrive(asked, false, true)
}

function seeAll(it: ReplicatedPartition): void {
  for (const id of ids) it.see(toNodeId(id))
}

/** What is wrong, or `null`; with what happened. */
function run(seed: number, rules: DecisionRules) {
  const random = seededRandom(seed)
  const it = new ReplicatedPartition(rules)
  try {
    for (let at = 0; at < stepsPerHistory; at++) pick(random, deck)(it, random)
    return { it, fault: null }
  } catch (error) {
    assert(error instanceof Error)
    return { it, fault: error }
  }
}

test('who leads has every acknowledged record', () => {
  const seen = { elections: 0, unclean: 0, expansions: 0, moves: 0, committed: 0 }
  for (let seed = 0; seed < runs(200); seed++) {
    const { it, fault } = run(seed, soundDecisionRules)
    assert(fault === null, `seed ${seed}: ${fault?.stack}`)
    seen.elections += it.elections
    seen.unclean += it.unclean
    seen.expansions += it.expansions
    seen.moves += it.moves
    seen.committed += it.committed.length
  }
  for (const [what, count] of Object.entries(seen)) assert(count >= runs(200) / 2, `${what}: only ${count}`)
})

/** Where no unclean election is allowed they make no difference: `simulation/cluster-planted-bugs.test.ts` has them. */
const ofUncleanElections: readonly (keyof DecisionRules)[] = ['whoHasAllComesFirst']

for (const rule of Object.keys(soundDecisionRules) as (keyof DecisionRules)[]) {
  if (ofUncleanElections.includes(rule)) continue
  test(`planted: ${rule} broken, and an acknowledged record is lost`, () => {
    const broken = { ...soundDecisionRules, [rule]: false }
    for (let seed = 0; seed < 3_000; seed++) if (run(seed, broken).fault !== null) return
    assert.fail('no history has found it')
  })
}

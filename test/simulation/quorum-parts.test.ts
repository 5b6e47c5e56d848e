/** What the simulation of quorums is made of: if time, processes or wires were wrong, its verdicts would mean nothing. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ApiError } from '../../src/protocol/errors.ts'
import type { PeerReceiver } from '../../src/quorum/peer-port.ts'
import type { Message } from '../../src/raft/messages.ts'
import type { Cluster } from '../../src/simulation/quorum/cluster.ts'
import { FaultAtlas } from '../../src/simulation/quorum/fault-atlas.ts'
import { type LinkConditions, Links } from '../../src/simulation/quorum/links.ts'
import { SimProcess } from '../../src/simulation/quorum/process.ts'
import { SimNetwork, type SimPort, urlOf } from '../../src/simulation/quorum/sim-network.ts'
import { Timeline } from '../../src/simulation/quorum/timeline.ts'
import { Trace } from '../../src/simulation/quorum/trace.ts'
import { type NodeId, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'

function runUntil(timeline: Timeline, endMs: number): void {
  let isOver = false
  timeline.after(endMs - timeline.nowMs, () => {
    isOver = true
  })
  while (!isOver) timeline.step()
}

describe('the timeline', () => {
  test('runs events by time, and those of one instant in the order of planning', () => {
    const timeline = new Timeline()
    const random = seededRandom(1)
    const planned = Array.from({ length: 500 }, (_, i) => ({ i, atMs: random.nextInt(50) }))
    const ran: typeof planned = []
    for (const event of planned) timeline.after(event.atMs, () => ran.push(event))
    while (timeline.step());
    assert.deepEqual(
      ran,
      [...planned].sort((a, b) => a.atMs - b.atMs || a.i - b.i),
    )
  })

  test('a cancelled event does not happen', () => {
    const timeline = new Timeline()
    timeline.after(1, () => assert.fail('it was cancelled')).isCancelled = true
    assert.equal(timeline.step(), false)
  })
})

describe('a process', () => {
  test('its clock drifts, and its timers with it', () => {
    const timeline = new Timeline()
    const process = new SimProcess(timeline, 2, 100)
    let ranMs = 0
    process.setTimer(50, () => {
      ranMs = timeline.nowMs
    })
    while (timeline.step());
    assert.equal(ranMs, 25)
    assert.equal(process.nowMs(), 150)
  })

  test('while it is stopped everything waits and its clock goes on; what was cancelled meanwhile never runs', () => {
    const timeline = new Timeline()
    const process = new SimProcess(timeline, 1, 0)
    const ran: string[] = []
    const cancelled = process.setTimer(10, () => ran.push('cancelled'))
    process.setTimer(20, () => ran.push(`timer at ${process.nowMs()}`))
    process.stop()
    timeline.after(30, () => process.receive(() => ran.push('message')))
    timeline.after(40, () => {
      cancelled.cancel()
      assert.deepEqual(ran, [])
      process.resume()
    })
    while (timeline.step());
    assert.deepEqual(ran, ['timer at 40', 'message'])
  })

  test('nothing of a dead one ever runs', () => {
    const timeline = new Timeline()
    const process = new SimProcess(timeline, 1, 0)
    process.setTimer(10, () => assert.fail('dead'))
    process.defer(() => assert.fail('dead'))
    process.stop()
    process.receive(() => assert.fail('dead'))
    process.kill()
    process.resume()
    process.receive(() => assert.fail('dead'))
    while (timeline.step());
  })
})

const calm: LinkConditions = {
  delayMinMs: 1,
  delayMeanMs: 1,
  lossRate: 0,
  duplicateRate: 0,
  isOrdered: true,
  capacity: 100,
}

class Post {
  readonly timeline = new Timeline()
  readonly received: string[] = []
  readonly network: SimNetwork

  constructor(conditions: LinkConditions = calm) {
    const links = new Links(this.timeline, seededRandom(1), conditions)
    this.network = new SimNetwork(this.timeline, links, seededRandom(2), {
      sent() {},
      chunkSent() {},
      chunkAnswered() {},
      refused: (by, peer) => this.received.push(`${by} refuses ${peer.nodeId}`),
    })
  }

  open(id: number, options: { diskId?: string; refuses?: boolean } = {}): SimPort {
    const nodeId = toNodeId(id)
    const port = this.network.attach(nodeId, new SimProcess(this.timeline, 1, 0))
    const receiver: PeerReceiver = {
      introduction: () => ({ nodeId, diskId: options.diskId ?? `disk ${id}`, clusterId: null, url: urlOf(nodeId) }),
      onIntroduction: () => {
        if (options.refuses) throw new ApiError('INCONSISTENT_CLUSTER_ID')
      },
      onMessage: ({ kind, from }, disk) => this.received.push(`${id} gets ${kind} of ${from} on ${disk}`),
      onChunk: () => ({ nextOffset: 0 }),
      onGone: peer => this.received.push(`${id} misses ${peer}`),
    }
    port.open(receiver)
    return port
  }
}

const heartbeatReply = (from: number): Message => ({
  kind: 'heartbeatReply',
  from: toNodeId(from),
  term: toTerm(1),
  round: 1,
})

describe('the network', () => {
  test('carries messages both ways once both have introduced themselves, and says from which disk', () => {
    const post = new Post()
    const [one, two] = [post.open(1), post.open(2)]
    one.reach(new Map([[two.id, urlOf(two.id)]]))
    one.send(two.id, heartbeatReply(1))
    runUntil(post.timeline, 1000)
    assert.deepEqual(post.received, [], 'before there is a connection a message is lost')
    one.send(two.id, heartbeatReply(1))
    two.send(one.id, heartbeatReply(2))
    runUntil(post.timeline, 2000)
    assert.deepEqual(post.received.sort(), [
      '1 gets heartbeatReply of 2 on disk 2',
      '2 gets heartbeatReply of 1 on disk 1',
    ])
  })

  test('who is refused gets nothing through', () => {
    const post = new Post()
    const [one, two] = [post.open(1), post.open(2, { refuses: true })]
    one.reach(new Map([[two.id, urlOf(two.id)]]))
    runUntil(post.timeline, 1000)
    one.send(two.id, heartbeatReply(1))
    runUntil(post.timeline, 2000)
    assert.deepEqual([...new Set(post.received)], ['2 refuses 1'])
  })

  test('a cut wire carries nothing, is noticed, and works again when it is mended', () => {
    const post = new Post()
    const [one, two] = [post.open(1), post.open(2)]
    one.reach(new Map([[two.id, urlOf(two.id)]]))
    runUntil(post.timeline, 1000)
    post.network.links.cut(one.id, two.id)
    post.network.notice()
    one.send(two.id, heartbeatReply(1))
    runUntil(post.timeline, 5000)
    assert.deepEqual(post.received, ['1 misses 2', '2 misses 1'])
    post.network.links.mendAll()
    runUntil(post.timeline, 6000)
    two.send(one.id, heartbeatReply(2))
    runUntil(post.timeline, 7000)
    assert.equal(post.received.at(-1), '1 gets heartbeatReply of 2 on disk 2')
  })

  test('a chunk always gets an answer, if only that there is none', async () => {
    const post = new Post()
    const one = post.open(1)
    const meta = { index: 1, term: 1, configuration: { voters: [1], oldVoters: [], learners: [] } }
    const chunk = { from: 1, term: 1, round: 1, meta, sizeBytes: 0, checksum: 0, offset: 0, data: new Uint8Array(0) }
    const answer = one.sendChunk(toNodeId(2), { ...chunk, dataChecksum: 0 } as never)
    runUntil(post.timeline, 1000)
    await assert.rejects(answer, ApiError)
  })
})

test('the trace tells two histories apart by any of their events', () => {
  const hashOf = (size: number): string => {
    const trace = new Trace(10)
    for (let i = 0; i < 100; i++) trace.note(i, 'event', 1, 2, i === 50 ? size : 0)
    return trace.hash()
  }
  assert.equal(hashOf(1), hashOf(1))
  assert.notEqual(hashOf(1), hashOf(2))
})

describe('the fault atlas', () => {
  const ids = [1, 2, 3].map(toNodeId)
  const [one, two, three] = ids as [NodeId, NodeId, NodeId]

  function atlasOf(
    voters: readonly NodeId[],
    changing: readonly NodeId[],
    impaired: readonly NodeId[] = [],
  ): FaultAtlas {
    const raft = { configurations: { current: { voters, oldVoters: [] }, currentIndex: 1 }, log: { commitIndex: 5 } }
    const cluster = {
      leader: () => ({ raft }),
      member: (id: NodeId) => ({ isImpaired: impaired.includes(id) }),
      checks: { committed: { highestIndex: 5 } },
    }
    return new FaultAtlas(cluster as unknown as Cluster, { changing })
  }

  test('a majority of the voters keeps its disks', () => {
    assert.equal(atlasOf(ids, []).mayImpair(three), true)
    assert.equal(atlasOf(ids, [], [two]).mayImpair(three), false)
    assert.equal(atlasOf([one], []).mayImpair(three), true, 'it is no voter')
  })

  test('and so does one of those who will be after a change that was asked for', () => {
    assert.equal(atlasOf([one], [three]).mayImpair(three), false, 'one of two is no majority (seed 2138760)')
    assert.equal(atlasOf(ids, [two]).mayImpair(three), false, 'of one and three neither may be lost')
    assert.equal(atlasOf([one, two], [three]).mayImpair(three), true, 'two of three are one')
  })
})

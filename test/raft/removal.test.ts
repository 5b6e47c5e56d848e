/** Servers on their way out, and those that were never told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../src/util/numbers.ts'
import { Cluster, type Packet } from './cluster.ts'
import { Invariants } from './invariants.ts'

function start(voters: readonly number[]): Cluster {
  const cluster = new Cluster({ voters })
  new Invariants(cluster)
  cluster.startAll()
  cluster.drive(1, { kind: 'campaign' })
  cluster.settle()
  assert.equal(cluster.leader()?.id, 1)
  return cluster
}

const change = (cluster: Cluster, id: number, voters: readonly number[]) =>
  cluster.drive(id, { kind: 'changeMembership', voters: voters as readonly NodeId[], learners: [] })

function tick(cluster: Cluster, ids: readonly number[], count: number, isCarried?: (packet: Packet) => boolean): void {
  for (let i = 0; i < count; i++) {
    for (const id of ids) cluster.drive(id, { kind: 'tick' })
    cluster.settle(new Set(ids), isCarried)
  }
}

test('a leader that removes itself hands over and sends nothing more', () => {
  const cluster = start([1, 2, 3])
  const leaving: Packet[] = []
  let isOut = false
  cluster.observers.push({
    stepped: server => {
      if (server.id === 1) isOut = server.life!.raft.role.kind === 'follower'
    },
    leaving: (server, packet) => {
      if (server.id === 1 && isOut) leaving.push(packet)
    },
  })
  change(cluster, 1, [2, 3])
  cluster.settle()
  assert.ok(isOut)
  // What the last step itself sent: that the change is committed, and who is to lead.
  assert.equal(leaving.filter(({ message }) => message.kind === 'timeoutNow').length, 1)
  assert.deepEqual([...new Set(leaving.map(({ message }) => message.kind))].sort(), ['appendEntries', 'timeoutNow'])
  assert.ok([2, 3].includes(cluster.leader()!.id), 'the successor led at once')
  leaving.length = 0
  tick(cluster, [1, 2, 3], 50)
  assert.deepEqual(leaving, [])
  assert.equal(cluster.raft(1).role.kind, 'follower')
})

test('removed of two, with a crash before the other knows: nobody waits for ever (openraft 2091)', () => {
  const cluster = start([1, 2])
  change(cluster, 1, [2])
  // Both have the joint configuration; the last one is only on the disk of the leader that goes.
  cluster.settle(new Set([1, 2]), ({ message }) => message.kind !== 'timeoutNow')
  cluster.crash(1)
  cluster.start(1)
  tick(cluster, [1, 2], 100)
  assert.equal(cluster.leader()?.id, 2)
  assert.deepEqual(cluster.raft(2).configurations.current.voters, [2])
})

test('a server removed while it was away asks for votes for ever, and harms nobody (hashicorp/raft 524)', () => {
  const cluster = start([1, 2, 3, 4])
  cluster.crash(4)
  change(cluster, 1, [1, 2, 3])
  cluster.settle()
  cluster.start(4)
  const { term } = cluster.raft(1)
  const asked: Packet[] = []
  cluster.observers.push({
    leaving: (server, packet) => {
      if (server.id === 4) asked.push(packet)
    },
  })
  tick(cluster, [1, 2, 3, 4], 100)
  assert.ok(asked.length > 0)
  assert.ok(asked.every(({ message }) => message.kind === 'preVote'))
  assert.equal(cluster.leader()?.id, 1)
  assert.equal(cluster.raft(1).term, term)
  // Neither when the leader is gone: its log is behind those of all who decide.
  cluster.crash(1)
  tick(cluster, [2, 3, 4], 100)
  assert.ok([2, 3].includes(cluster.leader()!.id))
  assert.notEqual(cluster.raft(4).role.kind, 'leader')
})

test('a removed leader that never heard of it steps down by itself, and does not come back', () => {
  const cluster = start([1, 2, 3])
  const isNotOf1 = ({ from, to }: Packet): boolean => from !== 1 && to !== 1
  tick(cluster, [2, 3], 60, isNotOf1)
  const leaderId = cluster.leader()!.id
  assert.notEqual(leaderId, 1)
  change(cluster, leaderId, [2, 3])
  cluster.settle(new Set([2, 3]), isNotOf1)
  assert.equal(cluster.raft(1).role.kind, 'leader', 'cut off, and its clock stood still')
  tick(cluster, [1, 2, 3], 100)
  assert.notEqual(cluster.raft(1).role.kind, 'leader')
  assert.equal(cluster.leader()?.id, leaderId)
})

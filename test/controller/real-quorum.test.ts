/** The controller on the real Raft core and driver, one voter, in memory: what was answered survives restarts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openController } from '../../src/controller/open-controller.ts'
import { imageHash } from '../../src/metadata/snapshot.ts'
import { createTopics, deleteTopics, describeQuorum } from '../../src/protocol/apis/index.ts'
import { openQuorum } from '../../src/quorum/open-quorum.ts'
import { noPeers } from '../../src/quorum/peer-port.ts'
import { MemoryStorageImage, memoryStorage } from '../../src/raft-storage/memory-storage.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { createRequest, topicRequest } from '../metadata/history.ts'

const one = toNodeId(1)

/** Opens a controller on `disk`, runs `use` with virtual time going on, closes it again. */
async function run<T>(disk: MemoryStorageImage, seed: number, use: (it: Running) => Promise<T>): Promise<T> {
  const clock = new VirtualClock()
  const random = seededRandom(seed)
  const storage = memoryStorage(disk)
  const finish = async <R>(promise: Promise<R>): Promise<R> => {
    let isSettled = false
    const done = (): void => {
      isSettled = true
    }
    promise.then(done, done)
    for (let turn = 0; !isSettled; turn++) {
      assert(turn < 10_000, 'it ends')
      clock.advance(10)
      await new Promise(resolve => setImmediate(resolve))
    }
    return promise
  }
  const opening = openController({
    nodeId: one,
    quorum: stateMachine =>
      openQuorum({
        nodeId: one,
        storage,
        voters: new Map([[one, 'ws://one']]),
        url: 'ws://one',
        stateMachine,
        clock,
        random,
        logger: silentLogger,
        peers: noPeers,
        snapshots: { entriesMax: 20, bytesMax: 1e9, retainedEntries: 2 },
        onFatal: error => assert.fail(error),
      }),
    clock,
    random,
    logger: silentLogger,
    defaults: { numPartitions: 2, replicationFactor: 1, minInsyncReplicas: 1, isUncleanAllowed: false },
  })
  const controller = await finish(opening)
  const registration = {
    nodeId: one,
    incarnationId: `i${seed}`,
    url: 'ws://x',
    rack: null,
    clusterId: null,
    peerUrl: null,
    previousEpoch: null,
  }
  const epoch = await finish(controller.registerBroker(registration))
  const result = await use({ controller, epoch, finish })
  await finish(Promise.resolve(controller[Symbol.asyncDispose]()))
  await storage[Symbol.asyncDispose]()
  return result
}

interface Running {
  readonly controller: Awaited<ReturnType<typeof openController>>
  readonly epoch: number
  readonly finish: <R>(promise: Promise<R>) => Promise<R>
}

const create = ({ controller, finish }: Running, name: string, requestId: number) =>
  finish(
    controller.request(createTopics, {
      ...createRequest(topicRequest(name)),
      session: { clientId: 'me', requestId },
    }),
  )

test('topics, sessions, ids and epochs survive restarts from log and snapshot', async () => {
  const disk = new MemoryStorageImage()
  const first = await run(disk, 1, async it => {
    const answers = []
    for (let i = 0; i < 50; i++) answers.push(await create(it, `topic-${i}`, i))
    const status = it.controller.status()
    assert(status.snapshotIndex > 0, 'a snapshot was taken')
    const { clusterId, metadata } = it.controller
    return { clusterId, last: answers.at(-1)!, epoch: it.epoch, ids: [...metadata.image().topics.byId.keys()].sort() }
  })
  const second = await run(disk, 2, async it => {
    const { controller, finish } = it
    assert.equal(controller.clusterId, first.clusterId)
    assert(it.epoch > first.epoch)
    assert.deepEqual([...controller.metadata.image().topics.byId.keys()].sort(), first.ids)
    assert.deepEqual(await create(it, 'topic-49', 49), first.last, 'the retry gets the first answer')
    const topics = [{ name: 'topic-0', topicId: null }]
    await finish(controller.request(deleteTopics, { session: null, timeoutMs: 0, topics }))
    const described = await finish(controller.request(describeQuorum, { timeoutMs: 0 }))
    assert.equal(described.leaderId, 1)
    assert.equal(described.highWatermark, controller.status().commitIndex + 1)
    const image = await finish(controller.currentImage())
    for (const { partitions } of image.topics.byName.values()) {
      assert.deepEqual(
        partitions.map(({ leaderId, leaderEpoch }) => [leaderId, leaderEpoch]),
        [
          [1, 1],
          [1, 1],
        ],
      )
    }
    return image
  })
  await run(disk, 3, async ({ controller }) => {
    const image = controller.metadata.image()
    assert.equal(image.topics.byName.size, 49)
    assert.deepEqual([...image.topics.byName.keys()].sort(), [...second.topics.byName.keys()].sort())
    assert.equal(imageHash(image as never).length, 8)
  })
})

test('requests that arrive together share a write', async () => {
  const disk = new MemoryStorageImage()
  await run(disk, 1, async it => {
    const before = it.controller.status().commitIndex
    const answers = Array.from({ length: 200 }, (_, i) =>
      it.controller.request(createTopics, createRequest(topicRequest(`t${i}`))),
    )
    for (const answer of answers) assert.equal((await it.finish(answer)).topics[0]!.errorCode, 0)
    assert.equal(it.controller.status().commitIndex, before + 200)
  })
})

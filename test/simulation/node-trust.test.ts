/** What a node that comes back may say of its logs, and what the cluster makes of it: whole nodes, one after the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PartitionImage } from '../../src/metadata/image.ts'
import { alterConfigs, createTopics } from '../../src/protocol/apis/index.ts'
import { MemoryStorageImage } from '../../src/raft-storage/memory-storage.ts'
import { SimDisk } from '../../src/simulation/sim-disk.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import type { Connection } from '../../src/transport/connection.ts'
import { seededRandom } from '../../src/util/random.ts'
import { createRequest, topicRequest } from '../metadata/history.ts'
import { Life } from './node-life.ts'

const ends = {
  /** Power is lost: what was not synced is gone. */
  crash: (disk: SimDisk) => disk.crash(seededRandom(1)),
  /** The disk is replaced; the metadata are on another one. */
  replace: (_: SimDisk, clock: VirtualClock) => new SimDisk({ clock }),
} as const

class Machine {
  readonly clock = new VirtualClock()
  readonly metadata = new MemoryStorageImage()
  disk = new SimDisk({ clock: this.clock })
  life!: Life
  connection!: Connection
  #lives = 0

  async start(): Promise<void> {
    this.life = new Life({ disk: this.disk, clock: this.clock, metadata: this.metadata, seed: ++this.#lives })
    const connection = await this.life.open()
    assert(connection !== null)
    this.connection = connection
  }

  /** A life that loses power at the `operation`th call to its disk; `false`: it has come to serve before. */
  async startAndDie(operation: number): Promise<boolean> {
    const { disk, clock, metadata } = this
    disk.crashAtOperation = operation
    const hasServed = (await new Life({ disk, clock, metadata, seed: ++this.#lives }).open()) !== null
    this.disk = disk.crash(seededRandom(operation))
    return !hasServed
  }

  /** The next life, after this end of the one before: whether the leader of `t` was elected cleanly in it. */
  async restart(end: keyof typeof ends | 'stop'): Promise<boolean> {
    if (end === 'stop') await this.life.run(() => this.life.node.close())
    this.disk = end === 'stop' ? this.disk.kill() : ends[end](this.disk, this.clock)
    const { leaderEpoch } = this.partition
    await this.start()
    assert.equal(this.partition.leaderEpoch, leaderEpoch + 1, 'every life is a reign of its own')
    return this.partition.uncleanEpoch !== this.partition.leaderEpoch
  }

  get partition(): PartitionImage {
    return this.life.node.controller.metadata.image().topics.byName.get('t')!.partitions[0]!
  }
}

test('logs are trusted after a clean stop, and after any with flush.policy=sync; a replaced disk is not', async () => {
  const it = new Machine()
  await it.start()
  await it.life.run(() => it.connection.request(createTopics, createRequest(topicRequest('t'))))
  assert.equal(await it.restart('crash'), true)
  assert.equal(await it.restart('replace'), false)
  assert.equal(await it.restart('crash'), true, 'what was lost is lost, and nothing since')
  const changes = [{ op: 'set' as const, key: 'flush.policy', value: 'os' }]
  const resources = [{ type: 'topic' as const, name: 't', changes }]
  await it.life.run(() => it.connection.request(alterConfigs, { session: null, validateOnly: false, resources }))
  assert.equal(await it.restart('crash'), false)
  assert.equal(await it.restart('stop'), true)
  assert.equal(await it.restart('crash'), false)
})

test('whatever start after a clean stop loses power, logs are trusted unless the node registered and had not synced what it took', async () => {
  for (const policy of ['sync', 'os'] as const) {
    const seen = { registered: 0, notRegistered: 0 }
    for (let operation = 1, hasDied = true; hasDied; operation++) {
      const it = new Machine()
      await it.start()
      const configs = [{ key: 'flush.policy', value: policy }]
      await it.life.run(() => it.connection.request(createTopics, createRequest(topicRequest('t', { configs }))))
      const { leaderEpoch } = it.partition
      await it.life.run(() => it.life.node.close())
      it.disk = it.disk.kill()
      hasDied = await it.startAndDie(operation)
      await it.start()
      const hadRegistered = it.partition.leaderEpoch === leaderEpoch + 2
      seen[hadRegistered ? 'registered' : 'notRegistered']++
      const isTrusted = it.partition.uncleanEpoch !== it.partition.leaderEpoch
      assert.equal(isTrusted, policy === 'sync' || !hadRegistered, `${policy}, power lost at operation ${operation}`)
    }
    assert.ok(seen.registered > 1 && seen.notRegistered > 1, JSON.stringify(seen))
  }
})

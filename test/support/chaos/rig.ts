/** Clusters of three for the chaos tests, and the verdict over what their clients saw. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import type { ApiError } from '../../../src/index.ts'
import { accountOf } from '../../../src/simulation/records/check.ts'
import { freePortBase } from '../../integration/dev-cluster.ts'
import { afterTest, temporaryDirectory } from '../../integration/support.ts'
import { storageShim } from '../../raft-storage/run-child.ts'
import { ChaosCluster } from './cluster.ts'
import { type DiskMaker, type LoopDisk, loopDisks } from './disks.ts'
import { type Mesh, openMesh } from './mesh.ts'
import { Namespaces } from './namespaces.ts'
import { RecordLoad, type RecordLoadOptions } from './record-load.ts'

export const ids = [1, 2, 3] as const

const shim = storageShim()

/** Orders to the nodes' disks are obeyed: the shim could be compiled. */
export const hasShim = 'path' in shim

export interface Behind {
  readonly cluster: ChaosCluster
  readonly mesh: Mesh
  /** `null`: they share this machine's. */
  readonly diskOf: ((id: number) => LoopDisk) | null
}

/** Nodes 1 to 3, serving, each behind links of its own to the others and to its clients, on a disk of its own if that can be. */
export async function startBehindLinks(
  t: TestContext,
  seed: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<Behind> {
  const base = await freePortBase(ids.length)
  const ports = ids.map(id => ({ id, clientPort: base + 10 * (id - 1), peerPort: base + 10 * (id - 1) + 1 }))
  const mesh = await openMesh(ports, seed)
  afterTest(t, () => mesh[Symbol.asyncDispose]())
  const directory = temporaryDirectory(t)
  const making = loopDisks()
  if ('missing' in making) t.diagnostic(`disks without power cuts: ${making.missing}`)
  const disks = 'make' in making ? disksIn(t, directory, making.make) : null
  const preload = 'path' in shim ? { LD_PRELOAD: shim.path, STORAGE_SHIM_SUFFIX: '.log' } : {}
  const places = ports.map(node => ({
    ...node,
    host: '127.0.0.1',
    advertisedPort: mesh.clientPortOf(node.id),
    environment: { ...mesh.environmentOf(node.id), ...preload },
  }))
  const cluster = new ChaosCluster(places, { directory, settings })
  afterTest(t, () => cluster.stop())
  await cluster.start()
  return { cluster, mesh, diskOf: disks === null ? null : id => disks.get(id)! }
}

/** Nodes 1 to 3, or others, serving, on this machine's loopback and disk. */
export async function startNodes(
  t: TestContext,
  settings: Readonly<Record<string, string>> = {},
  nodeIds: readonly number[] = ids,
): Promise<ChaosCluster> {
  const base = await freePortBase(nodeIds.length)
  const places = nodeIds.map(id => ({
    id,
    host: '127.0.0.1',
    clientPort: base + 10 * (id - 1),
    peerPort: base + 10 * (id - 1) + 1,
  }))
  const cluster = new ChaosCluster(places, { directory: temporaryDirectory(t), settings })
  afterTest(t, () => cluster.stop())
  await cluster.start()
  return cluster
}

/** The same, each node in a network namespace of its own. */
export async function startInNamespaces(
  t: TestContext,
): Promise<{ readonly cluster: ChaosCluster; readonly network: Namespaces }> {
  const network = new Namespaces(ids)
  afterTest(t, () => network.remove())
  const places = ids.map(id => ({
    id,
    host: network.hostOf(id),
    clientPort: 9292,
    peerPort: 9293,
    under: network.under(id),
  }))
  const settings = { 'allow.insecure.listeners': 'true' }
  const cluster = new ChaosCluster(places, { directory: temporaryDirectory(t), settings })
  afterTest(t, () => cluster.stop())
  await cluster.start()
  return { cluster, network }
}

export interface ChaosTopic {
  readonly name: string
  readonly partitions: number
  readonly configs?: Readonly<Record<string, string>>
}

/** Three replicas of each partition, all in sync. */
export async function createTopic(
  cluster: ChaosCluster,
  { name, partitions, configs = {} }: ChaosTopic,
): Promise<void> {
  const topics = [{ name, numPartitions: partitions, replicationFactor: ids.length, configs }]
  await cluster.ask(admin =>
    admin.createTopics({ topics }).catch((error: ApiError) => {
      // On a busy machine the answer to an attempt before this one was late.
      if (error.code !== 'TOPIC_ALREADY_EXISTS') throw error
    }),
  )
  await cluster.untilInSync(name)
}

/** Begins at once, and ends with the test at the latest. */
export function startLoad(t: TestContext, options: RecordLoadOptions): RecordLoad {
  const load = new RecordLoad(options)
  afterTest(t, () => load.stop())
  load.start()
  return load
}

/** After `load.finish()`: tells what the clients did and saw, and fails if any of it must not be. */
export function assertKept(t: TestContext, load: RecordLoad): void {
  t.diagnostic(load.account)
  const verdict = load.verdict()
  t.diagnostic(accountOf(verdict))
  if (!verdict.isValid) {
    const file = path.join(tmpdir(), `millrace-history-${process.pid}.json`)
    writeFileSync(file, load.recorder.history.operations.map(operation => `${JSON.stringify(operation)}\n`).join(''))
    t.diagnostic(`the history is in ${file}`)
  }
  assert.ok(verdict.isValid, accountOf(verdict))
  assert.ok(verdict.counts.acknowledged > 0, 'there was load')
}

/** After `assertKept`, where every leader that went had settled what it had taken: nothing had to be sent again that was written. */
export function assertWrittenOnce(t: TestContext, load: RecordLoad): void {
  const { counts, anomalies } = load.verdict()
  assert.equal(counts.unknown + counts.failed, 0, 'every send was acknowledged')
  if (load.takenBack > 0) {
    t.diagnostic(
      `on this machine leaders were silent for so long that ${load.takenBack} batches were taken back from them`,
    )
    return
  }
  assert.deepEqual(
    anomalies.filter(({ name }) => name === 'duplicate'),
    [],
    'none was written twice',
  )
}

function disksIn(t: TestContext, directory: string, make: DiskMaker): ReadonlyMap<number, LoopDisk> {
  const disks = new Map<number, LoopDisk>()
  afterTest(t, () => {
    for (const disk of disks.values()) disk.remove()
  })
  for (const id of ids) disks.set(id, make(path.join(directory, `node-${id}`)))
  return disks
}

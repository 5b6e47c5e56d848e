/** `millrace/raft` over real sockets and disks: answers, reads on every member, membership, restarts, lost disks. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../../src/cli/bench/free-ports.ts'
import {
  ApiError,
  ConfigError,
  NotLeaderError,
  type Raft,
  type RaftEntry,
  type RaftOptions,
  startRaft,
} from '../../src/server/raft/index.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { afterTest, temporaryDirectory } from './support.ts'

/** Appends texts; answers with how many there are. */
class List {
  texts: string[] = []

  apply({ data }: RaftEntry): number {
    return this.texts.push(new TextDecoder().decode(data))
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.texts))
  }

  restore(snapshot: Uint8Array): void {
    this.texts = JSON.parse(new TextDecoder().decode(snapshot)) as string[]
  }
}

interface Member {
  readonly raft: Raft<number>
  readonly list: List
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const isCode = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code

class Group {
  readonly members = new Map<number, Member>()
  readonly directory: string
  readonly urls: readonly string[]
  readonly #t: TestContext
  readonly #options: Partial<RaftOptions<number>>

  private constructor(t: TestContext, ports: readonly number[], options: Partial<RaftOptions<number>>) {
    this.#t = t
    this.directory = temporaryDirectory(t)
    this.urls = ports.map(port => `ws://127.0.0.1:${port}`)
    this.#options = options
  }

  /** `size` voters that run, and one more address for who may come. */
  static async start(t: TestContext, size: number, options: Partial<RaftOptions<number>> = {}): Promise<Group> {
    const group = new Group(t, await freePorts(size + 1), options)
    await Promise.all(Array.from({ length: size }, (_, i) => group.open(i + 1, size)))
    return group
  }

  dataDir(id: number): string {
    return path.join(this.directory, `member-${id}`)
  }

  async open(id: number, size: number): Promise<Member> {
    const list = new List()
    const raft = await startRaft({
      nodeId: id,
      voters: Object.fromEntries(this.urls.slice(0, size).map((url, i) => [i + 1, url])),
      url: this.urls[id - 1]!,
      dataDir: this.dataDir(id),
      stateMachine: list,
      timing: { tickMs: 20, heartbeatMs: 60, electionTimeoutMs: 500 },
      logger: silentLogger,
      onFatal: error => assert.fail(error),
      ...this.#options,
    })
    afterTest(this.#t, () => raft.close())
    const member = { raft, list }
    this.members.set(id, member)
    return member
  }

  async close(id: number): Promise<void> {
    await this.members.get(id)!.raft.close()
    this.members.delete(id)
  }

  async leader(): Promise<Member> {
    for (;;) {
      for (const member of this.members.values()) if (member.raft.status().role === 'leader') return member
      await sleep(10)
    }
  }

  async follower(): Promise<Member> {
    const leader = await this.leader()
    for (const member of this.members.values()) {
      if (member === leader) continue
      await until(() => member.raft.leaderId === leader.raft.nodeId)
      return member
    }
    throw new Error('there is no follower')
  }

  /** Proposes at whoever leads, until one takes it. */
  async propose(value: string): Promise<number> {
    for (;;) {
      const { raft } = await this.leader()
      try {
        return await raft.propose(text(value))
      } catch (error) {
        if (!(error instanceof NotLeaderError)) throw error
      }
    }
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(10)
}

test('proposers get their answers, followers name the leader, and every member reads what was acknowledged', async t => {
  const group = await Group.start(t, 3)
  const leader = await group.leader()
  await until(() => leader.raft.leaderId === leader.raft.nodeId)
  assert.equal(await group.propose('a'), 1)
  const { raft } = await group.leader()
  const answers = await Promise.all([raft.propose(text('b')), raft.propose([text('c'), text('d')]), raft.propose([])])
  assert.deepEqual(answers, [2, [3, 4], []])
  const follower = await group.follower()
  await follower.raft.readBarrier()
  assert.deepEqual(follower.list.texts, ['a', 'b', 'c', 'd'])
  await assert.rejects(follower.raft.propose(text('e')), (error: unknown) => {
    assert.ok(error instanceof NotLeaderError && error.code === 'NOT_CONTROLLER')
    assert.equal(error.leaderId, raft.nodeId)
    assert.equal(error.leaderUrl, raft.url)
    return true
  })
  await assert.rejects(raft.propose(text('e'), { session: { clientId: 'c', requestId: 1 } }), isCode('INVALID_REQUEST'))
  assert.deepEqual(follower.list.texts, ['a', 'b', 'c', 'd'])
})

test('a group that stops and starts has its state, and the next leader goes on', async t => {
  const group = await Group.start(t, 3, { snapshots: { entriesMax: 5, retainedEntries: 1 } })
  for (let i = 0; i < 12; i++) await group.propose(`${i}`)
  for (const id of [1, 2, 3]) await group.close(id)
  await Promise.all([1, 2, 3].map(id => group.open(id, 3)))
  assert.equal(await group.propose('12'), 13)
  for (const { raft, list } of group.members.values()) {
    await until(() => raft.leaderId !== null)
    await raft.readBarrier()
    assert.deepEqual(
      list.texts,
      Array.from({ length: 13 }, (_, i) => `${i}`),
    )
  }
})

test('sessions: a retry at the next leader gets the first answer', async t => {
  const group = await Group.start(t, 3, { sessions: true })
  await group.propose('before')
  const first = await group.leader()
  const session = { clientId: 'c', requestId: 1 }
  assert.equal(await first.raft.propose(text('once'), { session }), 2)
  await group.close(first.raft.nodeId)
  await group.propose('between')
  const second = await group.leader()
  assert.equal(await second.raft.propose(text('once'), { session }), 2)
  assert.deepEqual(second.list.texts, ['before', 'once', 'between'])
  await second.raft.propose(text('twice'), { session: { clientId: 'c', requestId: 2 } })
  await assert.rejects(second.raft.propose(text('once'), { session }), isCode('INVALID_REQUEST'))
})

test('a member joins, leadership goes to it, and another leaves', async t => {
  const group = await Group.start(t, 3, { snapshots: { entriesMax: 5, retainedEntries: 1 } })
  for (let i = 0; i < 12; i++) await group.propose(`${i}`)
  const joined = await group.open(4, 3)
  const leader = await group.leader()
  await leader.raft.addVoter(4, joined.raft.url)
  await until(() => joined.list.texts.length === 12)
  const terms: (number | null)[] = []
  joined.raft.onLeadership(term => terms.push(term))
  assert.equal(await leader.raft.transfer(4), 4)
  await until(() => terms.length === 1)
  await joined.raft.removeVoter(leader.raft.nodeId)
  const voters = joined.raft.status().voters.map(({ id }) => Number(id))
  assert.deepEqual(
    voters.sort(),
    [1, 2, 3, 4].filter(id => id !== leader.raft.nodeId),
  )
  assert.equal(await group.propose('12'), 13)
})

test('a voter whose disk was lost does not count until it was removed and added again', async t => {
  const group = await Group.start(t, 3)
  await group.propose('a')
  const lost = (await group.follower()).raft.nodeId
  await group.close(lost)
  rmSync(group.dataDir(lost), { recursive: true })
  await group.open(lost, 3)
  const { raft } = await group.leader()
  const other = [1, 2, 3].find(id => id !== lost && id !== raft.nodeId)!
  await group.close(other)
  await assert.rejects(raft.propose(text('b'), { timeoutMs: 1_000 }), ApiError)
  await group.open(other, 3)
  await group.propose('c')
  await (await group.leader()).raft.removeVoter(lost)
  await (await group.leader()).raft.addVoter(lost, group.urls[lost - 1]!)
  await group.close(other)
  await group.propose('d')
  await until(() => group.members.get(lost)!.list.texts.at(-1) === 'd')
  assert.deepEqual(group.members.get(lost)!.list.texts, (await group.leader()).list.texts)
})

test('a group of one is a group', async t => {
  const group = await Group.start(t, 1)
  assert.equal(await group.propose('a'), 1)
  const { raft } = await group.leader()
  await raft.readBarrier()
  await assert.rejects(group.open(1, 1), ConfigError)
})

test('options that cannot work say so, and leave nothing open', async t => {
  const [port] = await freePorts(1)
  const voters = { 1: `ws://127.0.0.1:${port}` }
  const stateMachine = new List()
  const refused = async (options: Partial<RaftOptions<number>>, key: string): Promise<void> => {
    const starting = startRaft({ nodeId: 1, voters, inMemory: true, stateMachine, logger: silentLogger, ...options })
    await assert.rejects(starting, (error: unknown) => error instanceof ConfigError && error.key === key)
  }
  await refused({ nodeId: 0 }, 'nodeId')
  await refused({ voters: {} }, 'voters')
  await refused({ voters: { 1: 'http://127.0.0.1:1' } }, 'voters')
  await refused({ nodeId: 2 }, 'listen')
  await refused({ listen: 'ws://0.0.0.0:0' }, 'listen')
  await refused({ listen: 'ws://0.0.0.0:0', url: 'ws://0.0.0.0:0', allowInsecureListener: true }, 'url')
  await refused({ dataDir: temporaryDirectory(t) }, 'dataDir')
  const running = await startRaft({ nodeId: 1, voters, inMemory: true, stateMachine, logger: silentLogger })
  await refused({}, 'listen')
  await running.close()
})

/** The commands about who leads and who holds partitions, against three nodes. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Cluster, startCluster } from '../../src/server/index.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type Ended, ended, runCli, spawnCli } from './support.ts'

let cluster: Cluster

before(async () => {
  cluster = await startCluster({ logger: silentLogger })
})
after(() => cluster.close())

const atCluster = () => ({ env: { MILLRACE_BOOTSTRAP: cluster.bootstrap.join(',') } })

const run = (args: readonly string[], input = ''): Promise<Ended> => runCli(args, { ...atCluster(), input })

async function text(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(args)
  assert.equal(code, 0, `millrace ${args.join(' ')}: ${stderr}`)
  return stdout
}

const json = async <T>(args: readonly string[]): Promise<T> =>
  JSON.parse(await text([...args, '--format', 'json'])) as T

interface Listed {
  readonly topic: string
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: number[]
  readonly isr: number[]
  readonly elr: number[]
  readonly addingReplicas: number[]
  readonly removingReplicas: number[]
  readonly offlineReplicas: number[]
}

const list = (topic: string, ...args: string[]): Promise<Listed[]> =>
  json<Listed[]>(['partition', 'list', '--topic', topic, ...args])

test('partition list: every partition as a row, and only those that a filter is true of', async () => {
  await text(['topic', 'create', 'listed', '-p', '3', '-r', '3'])
  const listed = await list('listed')
  assert.deepEqual(
    listed.map(({ topic, partition }) => [topic, partition]),
    [0, 1, 2].map(partition => ['listed', partition]),
  )
  for (const { leader, replicas, isr, leaderEpoch, ...rest } of listed) {
    assert.equal(leader, replicas[0])
    assert.deepEqual(
      [replicas.toSorted(), isr.toSorted()],
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
    )
    assert.ok(leaderEpoch >= 0)
    const { elr, addingReplicas, removingReplicas, offlineReplicas } = rest
    assert.deepEqual([elr, addingReplicas, removingReplicas, offlineReplicas], [[], [], [], []])
  }
  for (const filter of ['--under-replicated', '--offline', '--reassigning']) {
    assert.deepEqual(await list('listed', filter), [], filter)
  }
  const table = await text(['partition', 'list', '--topic', 'listed'])
  assert.match(
    table,
    /^TOPIC +PARTITION +LEADER +EPOCH +REPLICAS +ISR +ELR +ADDING +REMOVING\nlisted +0 +\d +\d+ +\d,\d,\d +\d,\d,\d +- +- +-\n/,
  )
  const missing = await run(['partition', 'list', '--topic', 'never'])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /^UNKNOWN_TOPIC_OR_PARTITION: /)
})

test('broker drain: leads nothing until it may again; elect gives its partitions back', async () => {
  await text(['topic', 'create', 'drained', '-p', '6', '-r', '3'])
  const preferred = (await list('drained')).filter(({ leader }) => leader === 2).map(({ partition }) => partition)
  assert.ok(preferred.length > 0)
  assert.deepEqual(await json(['broker', 'drain', '2']), { id: 2, isDraining: true, leaderCount: 0 })
  const drained = await list('drained')
  assert.ok(drained.every(({ leader, isr }) => leader !== 2 && isr.includes(2)))
  const health = await run(['cluster', 'health', '--format', 'json'])
  assert.equal(health.code, 1)
  assert.deepEqual((JSON.parse(health.stdout) as { inactiveBrokers: number[] }).inactiveBrokers, [2])

  const refused = await run(['partition', 'elect', `drained:${preferred[0]}`])
  assert.equal(refused.code, 1)
  assert.match(refused.stdout, /^PARTITION +STATUS\ndrained:\d +PREFERRED_LEADER_NOT_AVAILABLE\n$/)
  assert.match(refused.stderr, /^PREFERRED_LEADER_NOT_AVAILABLE: /)

  assert.equal(await text(['broker', 'drain', '2', '--cancel']), 'broker 2 may lead again\n')
  const [first, ...others] = preferred
  assert.match(await text(['partition', 'elect', `drained:${first}`]), /^PARTITION +STATUS\ndrained:\d +OK\n$/)
  const elected = await json<Listed[]>(['partition', 'elect', '--all'])
  const ofTopic = elected.filter(({ topic }) => topic === 'drained')
  assert.deepEqual(
    ofTopic.map(({ partition, leader }) => [partition, leader]),
    others.map(partition => [partition, 2]),
  )
  assert.ok((await list('drained')).every(({ leader, replicas }) => leader === replicas[0]))
  // One that has the leader it should have is no failure.
  assert.equal((await run(['partition', 'elect', `drained:${first}`])).code, 0)
  assert.equal((await run(['cluster', 'health'])).code, 0)
})

test('partition elect and broker drain: what they cannot be asked', async () => {
  const refusals: [args: string[], code: number, stderr: RegExp][] = [
    [['partition', 'elect'], 2, /expected NAME:PARTITION, or --all/],
    [['partition', 'elect', 'drained:0', '--all'], 2, /expected NAME:PARTITION, or --all/],
    [['partition', 'elect', 'drained'], 2, /expected NAME:PARTITION, found 'drained'/],
    [['partition', 'elect', 'never:0'], 1, /^UNKNOWN_TOPIC_OR_PARTITION: /],
    [['broker', 'drain', '9'], 1, /^BROKER_ID_NOT_REGISTERED: /],
    [['broker', 'drain', 'two'], 2, /expected an integer from 0/],
  ]
  for (const [args, code, stderr] of refusals) {
    const outcome = await run(args)
    assert.equal(outcome.code, code, `${args}: ${outcome.stderr}`)
    assert.match(outcome.stderr, stderr)
  }
})

test('partition reassign: a plan that moves nothing, and what cannot be planned', async () => {
  await text(['topic', 'create', 'moved', '-p', '4', '-r', '1'])
  const before = await list('moved')
  interface Planned {
    readonly partition: number
    readonly target: number[]
    readonly isMoved: boolean
  }
  const to = (brokers: string, ...more: string[]): string[] => {
    return ['partition', 'reassign', '--topic', 'moved', '--brokers', brokers, ...more]
  }
  const planned = await json<Planned[]>(to('3', '--dry-run'))
  assert.ok(planned.every(({ target }) => String(target) === '3'))
  assert.ok(planned.some(({ isMoved }) => isMoved))
  assert.deepEqual(await list('moved'), before)
  const both = await json<Planned[]>(to('1,3', '--replicas', '2', '--partition', '0', '--dry-run'))
  assert.deepEqual(
    both.map(({ partition, target }) => [partition, target.toSorted()]),
    [[0, [1, 3]]],
  )

  const refusals: [args: string[], code: number, stderr: RegExp][] = [
    [to('1', '--replicas', '2'), 2, /2 replicas need at least 2 brokers/],
    [to('1,9'), 2, /no broker 9 is registered; there are 1,2,3/],
    [to('1,1'), 2, /expected each broker once/],
    [to('1', '--cancel'), 2, /cannot be used with/],
    [to('1', '--partition', '4'), 2, /topic 'moved' has 4 partitions/],
    [['partition', 'reassign', '--topic', 'moved', '--dry-run'], 2, /go with --brokers/],
    [['partition', 'reassign', '--topic', 'never', '--brokers', '1'], 1, /^UNKNOWN_TOPIC_OR_PARTITION: /],
  ]
  for (const [args, code, stderr] of refusals) {
    const outcome = await run(args)
    assert.equal(outcome.code, code, `${args}: ${outcome.stderr}`)
    assert.match(outcome.stderr, stderr)
  }
})

test('topic describe: in-sync and eligible replicas, and how far each is', async () => {
  await text(['topic', 'create', 'described', '-p', '1', '-r', '3', '-c', 'min.insync.replicas=2'])
  const [topic] = await json<[{ partitions: [Record<string, unknown>] }]>(['topic', 'describe', 'described'])
  const { isr, elr, minInsyncReplicas } = topic.partitions[0]
  assert.deepEqual([(isr as number[]).toSorted(), elr, minInsyncReplicas], [[1, 2, 3], [], 2])
  assert.match(
    await text(['topic', 'describe', 'described']),
    /^PARTITION +LEADER +EPOCH +REPLICAS +ISR +ELR +LOG-START-OFFSET +HIGH-WATERMARK +LAG$/m,
  )
})

test('partition reassign: waits until the new replicas have taken over, with every record', async () => {
  await text(['topic', 'create', 'grown', '-p', '2', '-r', '1'])
  const lines = Array.from({ length: 500 }, (_, at) => `record ${at}`)
  assert.equal((await run(['produce', 'grown'], lines.join('\n'))).code, 0)
  const toAll = ['partition', 'reassign', '--topic', 'grown', '--brokers', '1,2,3']
  const grown = await json<Listed[]>([...toAll, '--replicas', '3', '--throttle', '10MiB'])
  for (const { replicas, isr } of grown)
    assert.deepEqual(
      [replicas.toSorted(), isr.toSorted()],
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
    )
  assert.deepEqual(
    grown.map(({ replicas }) => replicas[0]).toSorted(),
    [...new Set(grown.map(({ replicas }) => replicas[0]))].toSorted(),
    'two partitions, two preferred leaders',
  )
  const [config] = (await json<{ key: string; source: string }[]>(['config', 'list', '--broker', '1'])).filter(
    ({ key }) => key === 'replica.catchup.rate.bytes.per.second',
  )
  assert.notEqual(config!.source, 'broker-dynamic', 'the throttle is gone')
  const moved = await json<Listed[]>(['partition', 'reassign', '--topic', 'grown', '--brokers', '2', '--replicas', '1'])
  assert.ok(moved.every(({ leader, replicas }) => leader === 2 && String(replicas) === '2'))
  const consumed = await text(['consume', 'grown', '-o', 'start', '-e'])
  assert.deepEqual(consumed.trimEnd().split('\n').toSorted(), lines.toSorted())
})

test('partition reassign: interrupted, the move goes on; given up, it is as it was', async () => {
  await text(['topic', 'create', 'stuck', '-p', '1', '-r', '1'])
  const [before] = await list('stuck')
  // A replica on a node that is down cannot come into sync.
  const down = before!.leader === 3 ? 2 : 3
  await cluster.nodes[down - 1]!.close()
  const ids = `${before!.leader},${down}`
  const child = spawnCli(['partition', 'reassign', '--topic', 'stuck', '--brokers', ids, '-r', '2'], atCluster())
  const end = ended(child)
  child.stderr.on('data', (part: string) => {
    if (part.includes('partitions moved')) child.kill('SIGINT')
  })
  const { code, stderr } = await end
  assert.equal(code, 130, stderr)
  assert.match(
    stderr,
    /0 of 1 partitions moved.*\nThe move goes on without this command: 'millrace partition reassign --topic stuck'/,
  )
  const [moving] = await list('stuck', '--reassigning')
  assert.deepEqual([moving!.addingReplicas, moving!.offlineReplicas], [[down], [down]])
  const [after] = await json<Listed[]>(['partition', 'reassign', '--topic', 'stuck', '--cancel'])
  assert.deepEqual([after!.replicas, after!.addingReplicas], [before!.replicas, []])
})

/** The commands that look: cluster, broker, quorum, config, log, bench. Tables have heads, JSON has the agreed fields. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { rigWithServer, runCli, startServerProcess, stopProcess } from './support.ts'

const cli = rigWithServer()

type Fields = Record<string, unknown>

test('cluster info and health', async () => {
  await cli.text(['topic', 'create', 'healthy', '-p', '2'])
  const [info] = (await cli.json(['cluster', 'info'])) as [Fields]
  assert.match(info.clusterId as string, /^[\w-]{22}$/)
  assert.equal(info.controllerId, 1)
  assert.ok((info.topics as number) >= 1 && (info.partitions as number) >= 2)
  assert.match(await cli.text(['cluster', 'info']), /^ClusterId: +[\w-]{22}\nController: +1\n/)
  assert.deepEqual(await cli.json(['cluster', 'health']), [
    { isHealthy: true, controllerId: 1, inactiveBrokers: [], leaderless: [], underReplicated: [], underMinIsr: [] },
  ])
  assert.match(await cli.text(['cluster', 'health']), /^Healthy: +yes\n/)
})

test('broker list', async () => {
  const [brokers] = (await cli.json(['broker', 'list'])) as [Fields[]]
  assert.equal(brokers.length, 1)
  const { epoch, ...broker } = brokers[0]!
  assert.deepEqual(broker, { id: 1, url: cli.url, rack: null, state: 'active' })
  assert.ok(Number.isSafeInteger(epoch))
  assert.match(await cli.text(['broker', 'list']), /^ID +URL +RACK +EPOCH +STATE\n +1 +ws:.* active\n$/)
})

test('quorum describe', async () => {
  const [quorum] = (await cli.json(['quorum', 'describe'])) as [Fields]
  assert.match(quorum.clusterId as string, /^[\w-]{22}$/)
  assert.equal(quorum.leaderId, 1)
  assert.ok((quorum.leaderEpoch as number) >= 1)
  assert.ok((quorum.highWatermark as number) >= 1)
  assert.deepEqual(quorum.observers, [])
  const [voter] = quorum.voters as [Fields]
  assert.equal(voter.id, 1)
  assert.equal(voter.lag, 0)
  assert.ok((voter.logEndOffset as number) >= (quorum.highWatermark as number))
  assert.match(
    await cli.text(['quorum', 'describe']),
    /\nNODE +DISK +LOG-END-OFFSET +LAG +LAST-CAUGHT-UP +STATUS +URL\n +1 +\S+ +\d+ +0 +\S+Z +Leader/,
  )
})

test('quorum: what cannot be is refused, with the error’s name and exit code 1; what is not an id is usage', async () => {
  const refusals: [args: string[], code: number, stderr: RegExp][] = [
    [['remove-voter', '9'], 1, /^VOTER_NOT_FOUND: /],
    [['remove-voter', '1'], 1, /^INVALID_REQUEST: /],
    [['transfer', '9'], 1, /^VOTER_NOT_FOUND: /],
    [['add-voter', 'two', 'ws://127.0.0.1:1'], 2, /expected an integer from 0/],
    [['add-voter', '2', 'ws://127.0.0.1:1', '--timeout', 'soon'], 2, /expected a duration/],
  ]
  for (const [args, code, stderr] of refusals) {
    const outcome = await cli.run(['quorum', ...args])
    assert.equal(outcome.code, code, `${args}: ${outcome.stderr}`)
    assert.match(outcome.stderr, stderr)
    assert.equal(outcome.stdout, '')
  }
})

test('config list: the later source wins, and says where the value is from', async () => {
  const file = path.join(cli.work, 'node.yaml')
  writeFileSync(file, 'num:\n  partitions: 2\nlog.flush.policy: os\nlog.retention.ms: 1000\n')
  const env = { MILLRACE_LOG_FLUSH_POLICY: 'sync', MILLRACE_LOG_RETENTION_MS: '2000' }
  const args = ['config', 'list', '--config', file, '--set', 'log.retention.ms=3000', '--format', 'json']
  const { code, stdout } = await cli.run(args, { env })
  assert.equal(code, 0)
  const configs = JSON.parse(stdout) as { key: string; value: string; source: string; doc: string }[]
  const found = (key: string): Fields => {
    const { value, source } = configs.find(config => config.key === key)!
    return { value, source }
  }
  assert.deepEqual(found('num.partitions'), { value: '2', source: file })
  assert.deepEqual(found('log.flush.policy'), { value: 'sync', source: 'MILLRACE_LOG_FLUSH_POLICY' })
  assert.deepEqual(found('log.retention.ms'), { value: '3000', source: '--set' })
  assert.equal(found('node.id').source, 'default')
  assert.ok(configs.every(config => config.doc.length > 10))
  assert.match(await cli.text(['config', 'list']), /^KEY +VALUE +SOURCE\n/)
  assert.match(await cli.text(['config', 'list', '-v']), /^KEY +VALUE +SOURCE +DESCRIPTION\n/)
})

test('config list: of a broker and of a topic, and what is not there', async () => {
  await cli.text(['topic', 'create', 'set', '-c', 'retention.ms=1234'])
  const [topic] = (await cli.json(['config', 'list', '--topic', 'set'])) as [Fields[]]
  assert.deepEqual(
    topic.filter(config => config.key === 'retention.ms').map(({ value, source }) => ({ value, source })),
    [{ value: '1234', source: 'topic' }],
  )
  assert.match(await cli.text(['config', 'list', '--broker', '1']), /^node\.id +1 /m)
  const missing = await cli.run(['config', 'list', '--topic', 'never'])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /^UNKNOWN_TOPIC_OR_PARTITION: /)
})

test('config list: bad settings are usage errors with key, value and what was expected', async () => {
  for (const [args, said] of [
    [['--set', 'num.partitions=none'], /^error: num\.partitions=none.*expected/],
    [['--set', 'num.partition=1'], /^error: .*num\.partition/],
    [['--set', 'nothing'], /expected key=value/],
    [['--config', '/nonexistent.yaml'], /^error: .*\/nonexistent\.yaml/],
  ] as const) {
    const { code, stderr } = await cli.run(['config', 'list', ...args])
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, said)
  }
  assert.equal((await cli.run(['server', '--set', 'num.partitions=none'])).code, 2)
})

test('log dump and verify: whole files, and a damaged one', async () => {
  const dataDir = path.join(cli.work, 'dumped')
  const server = await startServerProcess(dataDir)
  const at = { env: { MILLRACE_BOOTSTRAP: server.url } }
  await runCli(['topic', 'create', 'dumped', '-p', '1'], at)
  for (const value of ['first', 'second'])
    await runCli(['produce', 'dumped', '-k', 'k', '-H', 'h:1', '-z', 'gzip'], { ...at, input: `${value}\n` })
  await stopProcess(server.child)

  const directory = path.join(dataDir, 'dumped-0')
  const file = (suffix: string): string =>
    path.join(directory, readdirSync(directory).find(name => name.endsWith(suffix))!)
  const segment = file('.log')
  const dumped = (await cli.json(['log', 'dump', segment, '--records'])) as Fields[]
  const [batch, record] = dumped as [Fields, Fields]
  assert.equal(dumped.length, 4)
  assert.deepEqual(
    [batch.baseOffset, batch.lastOffset, batch.count, batch.position, batch.compression, batch.isValid],
    [0, 0, 1, 0, 'gzip', true],
  )
  assert.deepEqual([record.offset, record.key, record.value, record.headers], [0, 'k', 'first', { h: '1' }])
  const table = await cli.text(['log', 'dump', segment])
  assert.equal(table.match(/^baseOffset: /gm)?.length, 2)
  for (const suffix of ['.index', '.timeindex']) assert.equal((await cli.run(['log', 'dump', file(suffix)])).code, 0)

  const [verified] = (await cli.json(['log', 'verify', dataDir])) as [Fields[]]
  assert.deepEqual(
    verified.map(({ records, logStartOffset, logEndOffset, problems }) => ({
      records,
      logStartOffset,
      logEndOffset,
      problems,
    })),
    [{ records: 2, logStartOffset: 0, logEndOffset: 2, problems: [] }],
  )
  assert.match(await cli.text(['log', 'verify', directory]), /^PARTITION .*STATUS\ndumped-0 .* OK\n$/)

  const bytes = readFileSync(segment)
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(segment, bytes)
  const damaged = await cli.run(['log', 'verify', dataDir])
  assert.equal(damaged.code, 1)
  assert.match(damaged.stdout, / 1 problem$/m)
  assert.match(damaged.stderr, /\.log at \d+: /)
  const dump = await cli.run(['log', 'dump', segment])
  assert.equal(dump.code, 1)
  assert.match(dump.stdout, /isValid: false/)
  assert.deepEqual(readFileSync(segment), bytes, 'looking changes nothing')
})

test('log dump and verify: what they are not for', async () => {
  for (const [args, code, said] of [
    [['dump', path.join(cli.work, 'node.yaml')], 2, /expected a \.log, \.index or \.timeindex file/],
    [['dump', '/nonexistent/0.log'], 1, /^StorageError: .*ENOENT/],
    [['verify', '/nonexistent'], 2, /^error: \/nonexistent: no partition found/],
  ] as const) {
    const ended = await cli.run(['log', ...args])
    assert.equal(ended.code, code, args.join(' '))
    assert.match(ended.stderr, said)
  }
})

test('bench produce, consume and e2e: fields of the report', async () => {
  const [produced] = (await cli.json(['bench', 'produce', '--records', '2000', '-q'])) as [Fields]
  const [consumed] = (await cli.json(['bench', 'consume', '--records', '2000', '-q'])) as [Fields]
  const [again] = (await cli.json(['bench', 'consume', '--records', '5000', '--warmup', '100', '--again', '-q'])) as [
    Fields,
  ]
  assert.ok(((again.parameters as Fields).available as number) < 5_000)
  assert.ok((again.records as number) >= 5_000)
  const [timed] = (await cli.json(['bench', 'e2e', '--records', '50', '--topic', 'e2e', '-q'])) as [Fields]
  const atRate = ['--rate', '1000', '--warmup', '100ms', '--producers', '2', '--consumers', '2', '-p', '2']
  const [scheduled] = (await cli.json(['bench', 'e2e', '--records', '100', ...atRate, '--topic', 'rate', '-q'])) as [
    Fields,
  ]
  const atMost = ['--in-flight', '4', '--batch-records', '30', '--size', '20', '-p', '2', '--warmup', '60']
  const [chased] = (await cli.json(['bench', 'e2e', '--records', '3000', ...atMost, '--topic', 'chase', '-q'])) as [
    Fields,
  ]
  // What was sent is received, all of it, and whole sends are counted.
  assert.deepEqual([chased.records, chased.bytes], [3_000, 60_000])
  for (const report of [produced, consumed, timed, scheduled, chased])
    assert.ok((report.recordsPerSecond as number) > 0, JSON.stringify(report))
  for (const report of [produced, timed, scheduled, chased]) {
    const latency = report.latencyMs as Fields
    for (const percentile of ['p50', 'p95', 'p99', 'p99.9', 'max'])
      assert.ok((latency[percentile] as number) >= 0, JSON.stringify(report))
  }
  // At a rate the client says how late it was itself.
  assert.equal(produced.sendDelayMs, null)
  assert.ok((scheduled.sendDelayMs as Fields).p50 !== undefined)
  const { client, nodes } = produced.cpuSeconds as { client: number; nodes: number }
  assert.ok(client > 0 && nodes > 0)
  assert.equal((produced.residentBytes as { nodes: number[] }).nodes.length, 1)
  assert.match(await cli.text(['bench', 'produce', '--records', '2000', '-q']), /P99-MS/)
  // A topic that is there is used as it is, with all its partitions.
  await cli.text(['topic', 'create', 'wide', '-p', '12'])
  const [wide] = (await cli.json(['bench', 'produce', '--topic', 'wide', '--records', '2000', '-q'])) as [Fields]
  assert.equal((wide.parameters as Fields).partitions, 12)
})

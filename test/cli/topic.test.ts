/** `millrace topic …` against a real node: tables, JSON documents, refusals. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rigWithServer } from './support.ts'

const cli = rigWithServer()

interface DescribedTopic {
  name: string
  topicId: string
  partitions: Record<string, unknown>[]
  configs: Record<string, string>
}

test('topic create: table and JSON, one line per topic, exit 1 if any is refused', async () => {
  assert.equal(await cli.text(['topic', 'create', 'made', '-p', '2']), 'TOPIC  STATUS\nmade   OK\n')
  const { code, stdout, stderr } = await cli.run(['topic', 'create', 'made', 'other'])
  assert.equal(code, 1)
  assert.equal(stdout, 'TOPIC  STATUS\nmade   TOPIC_ALREADY_EXISTS\nother  OK\n')
  assert.match(stderr, /^TOPIC_ALREADY_EXISTS: /)
  assert.deepEqual(await cli.json(['topic', 'create', 'made', '--if-not-exists']), [
    [{ name: 'made', error: null, message: null }],
  ])
})

test('topic create: what the cluster cannot do', async () => {
  for (const [args, error] of [
    [['-c', 'nope=1'], 'INVALID_CONFIG'],
    [['-c', 'retention.ms=soon'], 'INVALID_CONFIG'],
    [['-r', '3'], 'INVALID_REPLICATION_FACTOR'],
  ] as const) {
    const { code, stderr } = await cli.run(['topic', 'create', 'refused', ...args])
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^${error}: `))
  }
  const { stderr } = await cli.run(['topic', 'create', 'not a name'])
  assert.match(stderr, /^INVALID_TOPIC_EXCEPTION: /)
})

test('topic list and describe', async () => {
  await cli.text(['topic', 'create', 'seen', '-p', '2', '-c', 'retention.ms=60000', '-c', 'segment.bytes=1048576'])
  assert.match(await cli.text(['topic', 'list']), /^NAME +PARTITIONS +REPLICAS\n(.*\n)*seen +2 +1\n/)
  const [listed] = (await cli.json(['topic', 'list'])) as [{ name: string; partitionCount: number }[]]
  assert.equal(listed.find(topic => topic.name === 'seen')!.partitionCount, 2)

  const [described] = (await cli.json(['topic', 'describe', 'seen'])) as [DescribedTopic[]]
  assert.equal(described.length, 1)
  const { name, topicId, partitions, configs } = described[0]!
  assert.equal(name, 'seen')
  assert.match(topicId, /^[\w-]{22}$/)
  assert.deepEqual(configs, { 'retention.ms': '60000', 'segment.bytes': '1048576' })
  const place = { leader: 1, leaderEpoch: 0, replicas: [1], isr: [1], logStartOffset: 0, highWatermark: 0 }
  const none = { elr: [], offlineReplicas: [], addingReplicas: [], removingReplicas: [] }
  assert.deepEqual(
    partitions.map(({ replicaStates: _, ...partition }) => partition),
    [0, 1].map(partition => ({ partition, ...place, ...none, minInsyncReplicas: 1 })),
  )
  const table = await cli.text(['topic', 'describe', 'seen'])
  assert.match(table, new RegExp(`^Topic: seen  TopicId: ${topicId}  PartitionCount: 2  Configs: retention.ms=60000,`))
  assert.match(
    table,
    /\nPARTITION {2}LEADER {2}EPOCH {2}REPLICAS {2}ISR {2}ELR {2}LOG-START-OFFSET {2}HIGH-WATERMARK {2}LAG\n +0 /,
  )
  assert.match(await cli.text(['topic', 'describe']), /^Topic: seen /m)
})

test('topic alter and delete-config', async () => {
  await cli.text(['topic', 'create', 'altered'])
  await cli.text(['topic', 'alter', 'altered', '-c', 'retention.ms=1234567', '-c', 'segment.ms=7654321'])
  await cli.text(['topic', 'alter', 'altered', '--delete-config', 'segment.ms'])
  const [[topic]] = (await cli.json(['topic', 'describe', 'altered'])) as [DescribedTopic[]]
  assert.deepEqual(topic!.configs, { 'retention.ms': '1234567' })
  const refused = await cli.run(['topic', 'alter', 'altered', '-c', 'segment.bytes=x'])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /^INVALID_CONFIG: .*segment\.bytes=x/)
  const empty = await cli.run(['topic', 'alter', 'altered'])
  assert.equal(empty.code, 2)
  assert.match(empty.stderr, /^error: nothing to alter/)
})

test('topic add-partitions grows only', async () => {
  await cli.text(['topic', 'create', 'grown', '-p', '2'])
  assert.deepEqual(await cli.json(['topic', 'add-partitions', 'grown', '-p', '5']), [
    [{ name: 'grown', error: null, message: null }],
  ])
  const [[topic]] = (await cli.json(['topic', 'describe', 'grown'])) as [DescribedTopic[]]
  assert.equal(topic!.partitions.length, 5)
  const { code, stderr } = await cli.run(['topic', 'add-partitions', 'grown', '-p', '5'])
  assert.equal(code, 1)
  assert.match(stderr, /^INVALID_PARTITIONS: /)
})

test('topic trim: to an offset, to the end, and not beyond it', async () => {
  await cli.text(['topic', 'create', 'trimmed', '-p', '1'])
  await cli.text(['produce', 'trimmed', '-q'], 'a\nb\nc\n')
  assert.deepEqual(await cli.json(['topic', 'trim', 'trimmed:0:1']), [
    [{ topic: 'trimmed', partition: 0, logStartOffset: 1 }],
  ])
  assert.equal(await cli.text(['consume', 'trimmed', '-o', 'start', '-e']), 'b\nc\n')
  assert.match(
    await cli.text(['topic', 'trim', 'trimmed:0:end']),
    /^TOPIC +PARTITION +LOG-START-OFFSET\ntrimmed +0 +3\n$/,
  )
  const beyond = await cli.run(['topic', 'trim', 'trimmed:0:99'])
  assert.equal(beyond.code, 1)
  assert.match(beyond.stderr, /^OFFSET_OUT_OF_RANGE: /)
  const wrong = await cli.run(['topic', 'trim', 'trimmed:0:3', 'trimmed:0'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /expected NAME:PARTITION:OFFSET/)
})

test('topic delete: gone, and refused the second time', async () => {
  await cli.text(['topic', 'create', 'gone', 'kept'])
  const { code, stdout } = await cli.run(['topic', 'delete', 'gone', 'never'])
  assert.equal(code, 1)
  assert.equal(stdout, 'TOPIC  STATUS\ngone   OK\nnever  UNKNOWN_TOPIC_OR_PARTITION\n')
  const described = await cli.run(['topic', 'describe', 'gone'])
  assert.equal(described.code, 1)
  assert.match(described.stderr, /^UNKNOWN_TOPIC_OR_PARTITION: /)
})

/** `millrace produce` and `consume` against a real node: every option, and what comes back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compressionNames } from '../../src/protocol/batch/header.ts'
import { ended, rigWithServer, spawnCli } from './support.ts'

const cli = rigWithServer()

/** A topic of one partition, so that order is total. */
async function topicOf(name: string, lines: string, ...args: string[]): Promise<void> {
  await cli.text(['topic', 'create', name, '-p', '1'])
  await cli.text(['produce', name, '-q', ...args], lines)
}

test('produce: a line per record, table and JSON', async () => {
  await cli.text(['topic', 'create', 'lines', '-p', '1'])
  const table = await cli.text(['produce', 'lines'], 'a\nb\n')
  assert.equal(table, 'Produced to partition 0 at offset 0.\nProduced to partition 0 at offset 1.\n')
  assert.deepEqual(await cli.json(['produce', 'lines'], 'c\r\nd'), [
    { topic: 'lines', partition: 0, offset: 2 },
    { topic: 'lines', partition: 0, offset: 3 },
  ])
  assert.equal(await cli.text(['consume', 'lines', '-o', 'start', '-e']), 'a\nb\nc\nd\n')
  assert.equal(await cli.text(['produce', 'lines']), '', 'nothing in, nothing out')
})

test('produce -q says only how many', async () => {
  await cli.text(['topic', 'create', 'quiet'])
  const { code, stdout, stderr } = await cli.run(['produce', 'quiet', '-q'], { input: 'a\nb\n' })
  assert.deepEqual([code, stdout], [0, ''])
  assert.match(stderr, /^2 records acknowledged in quiet$/m)
})

test('produce -k -K -H -Z: keys, headers, tombstones as JSON shows them', async () => {
  await cli.text(['topic', 'create', 'parts', '-p', '1'])
  await cli.text(['produce', 'parts', '-k', 'fixed', '-H', 'a:1', '-H', 'b:x:y'], 'v\n')
  await cli.text(['produce', 'parts', '-K', '\\t', '-Z'], 'k\tv\tw\nk\t\nno separator\n')
  const records = (await cli.json(['consume', 'parts', '-o', 'start', '-e'])) as Record<string, unknown>[]
  const now = Date.now()
  for (const record of records) {
    const { timestamp } = record
    assert.ok(typeof timestamp === 'number' && timestamp <= now && timestamp > now - 600_000)
    delete record.timestamp
  }
  const place = { topic: 'parts', partition: 0 }
  assert.deepEqual(records, [
    { ...place, offset: 0, key: 'fixed', value: 'v', headers: { a: '1', b: 'x:y' } },
    { ...place, offset: 1, key: 'k', value: 'v\tw', headers: {} },
    { ...place, offset: 2, key: 'k', value: null, headers: {} },
    { ...place, offset: 3, key: null, value: 'no separator', headers: {} },
  ])
})

test('produce -p picks the partition, and the same key always the same one', async () => {
  await cli.text(['topic', 'create', 'spread', '-p', '4'])
  assert.deepEqual(await cli.json(['produce', 'spread', '-p', '3'], 'v\n'), [
    { topic: 'spread', partition: 3, offset: 0 },
  ])
  const places = (await cli.json(['produce', 'spread', '-k', 'me'], 'a\nb\nc\n')) as { partition: number }[]
  // Kafka's murmur2 of "me", modulo 4.
  assert.deepEqual(
    places.map(place => place.partition),
    [3, 3, 3],
  )
  const { code, stderr } = await cli.run(['produce', 'spread', '-p', '9'], { input: 'v\n' })
  assert.equal(code, 1)
  assert.match(stderr, /^UNKNOWN_TOPIC_OR_PARTITION: /m)
})

test('produce -z: every codec comes back as it went in', async () => {
  await cli.text(['topic', 'create', 'packed', '-p', '1'])
  const lines = Array.from({ length: 50 }, (_, i) => `${i} ${'abc'.repeat(i)}`).join('\n')
  for (const codec of compressionNames) await cli.text(['produce', 'packed', '-q', '-z', codec], `${codec}\n${lines}\n`)
  const expected = compressionNames.map(codec => `${codec}\n${lines}\n`).join('')
  assert.equal(await cli.text(['consume', 'packed', '-o', 'start', '-e']), expected)
})

test('produce --acks', async () => {
  await cli.text(['topic', 'create', 'acked', '-p', '1'])
  for (const acks of ['0', '1', 'all']) await cli.text(['produce', 'acked', '-q', '--acks', acks], `${acks}\n`)
  assert.equal(await cli.text(['consume', 'acked', '-o', 'start', '-n', '3']), '0\n1\nall\n')
})

test('produce --expect-offset', async () => {
  await topicOf('expected', 'a\nb\n')
  await cli.text(['produce', 'expected', '--expect-offset', '2'], 'c\n')
  const { code, stderr } = await cli.run(['produce', 'expected', '--expect-offset', '2'], { input: 'd\n' })
  assert.equal(code, 1)
  assert.match(stderr, /^UNEXPECTED_OFFSET: expected offset 2, the first record got 3$/m)
})

test('produce refuses what it cannot read', async () => {
  for (const [args, said] of [
    [['-H', 'nothing'], /-H.*expected name:value/],
    [['-k', 'k', '-K', ':'], /cannot be used with/],
    [['-z', 'br'], /Allowed choices/],
    [['--acks', '2'], /expected 0, 1 or all/],
    [['-p', '-1'], /expected an integer of at least 0/],
    [['-X', 'linger=1'], /^error: -X linger: unknown/],
  ] as const) {
    const { code, stdout, stderr } = await cli.run(['produce', 'refused', ...args], { input: 'v\n' })
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, said)
  }
})

test('a produce that fails ends although its input goes on, and says the error once', async () => {
  await cli.text(['topic', 'create', 'small', '-p', '1', '-c', 'max.message.bytes=1000'])
  const child = spawnCli(['produce', 'small', '-b', cli.url])
  child.stdin.on('error', () => {})
  child.stdin.write(`${'x'.repeat(2000)}\n`)
  const { code, stderr } = await ended(child)
  assert.equal(code, 1)
  assert.equal(stderr.match(/MESSAGE_TOO_LARGE/g)?.length, 1, stderr)
})

test('consume -o: start, end, N, -N, @time', async () => {
  await topicOf('from', 'a\nb\nc\nd\n')
  const read = (where: string): Promise<string> => cli.text(['consume', 'from', '-e', '-o', where])
  assert.equal(await read('start'), 'a\nb\nc\nd\n')
  assert.equal(await read('end'), '')
  assert.equal(await read('2'), 'c\nd\n')
  assert.equal(await read('-3'), 'b\nc\nd\n')
  const records = (await cli.json(['consume', 'from', '-o', 'start', '-e'])) as { timestamp: number }[]
  assert.equal(await read(`@${records[0]!.timestamp}`), 'a\nb\nc\nd\n')
  assert.equal(await read(`@${new Date(records[0]!.timestamp).toISOString()}`), 'a\nb\nc\nd\n')
  assert.equal(await read('@2999-01-01T00:00:00Z'), '')
  const { code, stderr } = await cli.run(['consume', 'from', '-o', 'soon'])
  assert.equal(code, 2)
  assert.match(stderr, /expected start, end, an offset/)
})

test('consume -n -p -f, and two topics at a time', async () => {
  await topicOf('one', 'k:a\nk:b\n', '-K', ':')
  await topicOf('two', 'c\n', '-H', 'h:1')
  assert.equal(await cli.text(['consume', 'one', '-o', 'start', '-n', '1']), 'a\n')
  const format = '%t|%p|%o|%k|%s|%h|%K|%S|%%|\\t|\\x41\\n'
  assert.equal(
    await cli.text(['consume', 'two', '-p', '0', '-o', 'start', '-e', '-f', format]),
    'two|0|0||c|h=1|-1|1|%|\t|A\n',
  )
  const both = await cli.text(['consume', 'one', 'two', '-o', 'start', '-e', '-f', '%t %s\\n'])
  assert.deepEqual(both.split('\n').sort(), ['', 'one a', 'one b', 'two c'])
  const { code, stderr } = await cli.run(['consume', 'one', '-f', '%q'])
  assert.equal(code, 2)
  assert.match(stderr, /^error: format: unknown %q/)
  assert.equal((await cli.run(['consume', 'one', 'two', '-p', '0'])).code, 2)
})

test('consume: text of any script comes out as it went in', async () => {
  await topicOf('text', 'ünïcödé 漢字\n')
  assert.equal(await cli.text(['consume', 'text', '-o', 'start', '-e']), 'ünïcödé 漢字\n')
})

test('consume: a topic or partition that is not there', async () => {
  await cli.text(['topic', 'create', 'single', '-p', '1'])
  // Both wait for metadata that may still be on their way.
  const missing = [['never'], ['single', '-p', '7']].map(args => cli.run(['consume', ...args, '-o', 'start', '-e']))
  for (const { code, stderr } of await Promise.all(missing)) {
    assert.equal(code, 1)
    assert.match(stderr, /^UNKNOWN_TOPIC_OR_PARTITION: /)
  }
})

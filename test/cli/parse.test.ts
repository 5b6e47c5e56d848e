import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidArgumentError } from 'commander'
import {
  collectPairs,
  parseAcks,
  parseBytes,
  parseDurationMs,
  parseInteger,
  parsePartitionOffset,
  parseStartPosition,
} from '../../src/cli/parse.ts'

const refuses = (fn: () => unknown): void => assert.throws(fn, InvalidArgumentError)

test('cli: integers are whole, bounded and nothing else', () => {
  assert.equal(parseInteger(0)('17'), 17)
  for (const bad of ['', ' ', '1.5', '1e3', '0x10', '-1', '9007199254740993', 'NaN'])
    refuses(() => parseInteger(0)(bad))
  refuses(() => parseInteger(1, 5)('6'))
})

test('cli: sizes take binary units', () => {
  assert.deepEqual(['500', '64k', '64KiB', '10MiB', '1g', '1.5k', '7b'].map(parseBytes), [
    500,
    65_536,
    65_536,
    10_485_760,
    2 ** 30,
    1_536,
    7,
  ])
  for (const bad of ['', 'k', '10x', '-1']) refuses(() => parseBytes(bad))
})

test('cli: durations take ms, s, m, h and mean seconds without a unit', () => {
  assert.deepEqual(['500ms', '30s', '5m', '1h', '2'].map(parseDurationMs), [500, 30_000, 300_000, 3_600_000, 2_000])
  for (const bad of ['', 's', '5d']) refuses(() => parseDurationMs(bad))
})

test('cli: positions are start, end, an offset, -N and @time', () => {
  const table: [string, unknown][] = [
    ['start', 'start'],
    ['beginning', 'start'],
    ['end', 'end'],
    ['42', 42],
    ['-10', -10],
    ['@1700000000000', { timestampMs: 1_700_000_000_000 }],
    ['@2026-01-02T03:04:05Z', { timestampMs: Date.UTC(2026, 0, 2, 3, 4, 5) }],
  ]
  for (const [text, position] of table) assert.deepEqual(parseStartPosition(text), position, text)
  for (const bad of ['', 'middle', '@never', '1.5']) refuses(() => parseStartPosition(bad))
})

test('cli: acks, pairs, partition offsets', () => {
  assert.deepEqual(['0', '1', 'all', '-1'].map(parseAcks), [0, 1, 'all', 'all'])
  refuses(() => parseAcks('2'))
  assert.deepEqual(collectPairs('b=2=3', { a: '1' }), { a: '1', b: '2=3' })
  refuses(() => collectPairs('=x', undefined))
  assert.deepEqual(parsePartitionOffset('orders.v1:3:99'), { topic: 'orders.v1', partition: 3, offset: 99 })
  assert.deepEqual(parsePartitionOffset('t:0:end'), { topic: 't', partition: 0, offset: -1 })
  for (const bad of ['t', 't:0', 't:x:1', ':0:1', 't:0:-5']) refuses(() => parsePartitionOffset(bad))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogConfig } from '../../src/log/types.ts'
import { resolveTopicConfig, topicConfigs, validateTopicConfig } from '../../src/metadata/topic-configs.ts'

const none = new Map<string, string>()

test('every default is valid, and keys and broker twins are unique', () => {
  for (const spec of topicConfigs) assert.equal(validateTopicConfig(spec.key, spec.default), null, spec.key)
  assert.equal(new Set(topicConfigs.map(spec => spec.key)).size, topicConfigs.length)
  assert.equal(new Set(topicConfigs.map(spec => spec.brokerKey)).size, topicConfigs.length)
})

test('the bounds are inclusive, and what is not an integer is refused', () => {
  for (const spec of topicConfigs) {
    if (spec.type.kind !== 'integer') continue
    assert.equal(validateTopicConfig(spec.key, String(spec.type.min)), null)
    assert.equal(validateTopicConfig(spec.key, String(spec.type.max)), null)
    assert.equal(validateTopicConfig(spec.key, String(spec.type.min - 1))?.error, 'INVALID_CONFIG')
    for (const value of ['', 'x', '1.5', '1e3', '0x10', ' 1', '9007199254740993', 'NaN', 'Infinity'])
      assert.equal(validateTopicConfig(spec.key, value)?.error, 'INVALID_CONFIG', `${spec.key}=${value}`)
  }
})

test('what Kafka knows and Millrace does not act on is refused with the reason', () => {
  assert.match(
    validateTopicConfig('cleanup.policy', 'compact')!.message,
    /cleanup\.policy=compact: log compaction is not/,
  )
  assert.match(validateTopicConfig('compression.type', 'zstd')!.message, /compress in the producer/)
  assert.match(validateTopicConfig('compression.type', 'brotli')!.message, /expected producer/)
  assert.match(validateTopicConfig('cleanup.policy', 'toString')!.message, /expected delete/)
  assert.match(validateTopicConfig('retention.mss', '1')!.message, /Unknown topic config retention\.mss/)
})

test("the topic's value wins over the broker's, and that over the default", () => {
  const broker = new Map([
    ['log.retention.ms', '5'],
    ['log.flush.policy', 'os'],
    ['log.message.timestamp.type', 'LogAppendTime'],
  ])
  const resolved = resolveTopicConfig(new Map([['retention.ms', '-1']]), broker)
  const asLogConfig: LogConfig = resolved
  assert.equal(asLogConfig.retentionMs, -1)
  assert.equal(asLogConfig.flushPolicy, 'os')
  assert.equal(asLogConfig.timestampType, 'log-append')
  assert.equal(resolveTopicConfig(none, broker).retentionMs, 5)
  assert.equal(resolveTopicConfig(none, none).retentionMs, 604_800_000)
  assert.equal(resolveTopicConfig(none, none).maxMessageBytes, 1_048_588)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textLogger } from '../../src/server/logger.ts'

test('one readable line, fields behind the message, nothing below the level', () => {
  const lines: string[] = []
  const logger = textLogger(
    'info',
    line => lines.push(line),
    () => new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 67)),
  )
  logger.debug({}, 'not shown')
  logger.info({}, 'started')
  logger.error({ topic: 'a b', partition: 3, error: new Error('no "room"') }, 'it failed')
  assert.deepEqual(lines, [
    '03:04:05.067 INFO  started\n',
    '03:04:05.067 ERROR it failed  topic="a b" partition=3 error="no \\"room\\""\n',
  ])
})

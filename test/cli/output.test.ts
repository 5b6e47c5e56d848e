import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exitCode, ReportedFailure, UsageError, verdictOf } from '../../src/cli/failure.ts'
import { bytesToText, formatBytes, renderTable } from '../../src/cli/output.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { ConfigError } from '../../src/util/errors.ts'

test('cli: a table aligns numbers right, text left, and shows - for unknown', () => {
  const table = renderTable(
    ['NAME', 'N'],
    [
      ['a', 5],
      ['long', 1234],
    ],
  )
  assert.equal(table, 'NAME     N\na        5\nlong  1234')
  assert.equal(
    renderTable(
      ['A', 'B'],
      [
        [null, 'x'],
        ['', undefined],
      ],
    ),
    'A  B\n-  x\n-  -',
  )
})

test('cli: bytes are text when they are UTF-8, base64 when not', () => {
  assert.equal(bytesToText(new TextEncoder().encode('ä')), 'ä')
  assert.equal(bytesToText(Uint8Array.of(0xff, 0xfe)), 'base64://4=')
})

test('cli: sizes for people', () => {
  assert.deepEqual([0, 1023, 1536, 3 * 2 ** 30].map(formatBytes), ['0 B', '1023 B', '1.5 KiB', '3.0 GiB'])
})

test('cli: every kind of failure has its exit code and its line', () => {
  assert.deepEqual(verdictOf(new ApiError('TOPIC_ALREADY_EXISTS', 'orders'), false), {
    code: exitCode.failed,
    message: 'TOPIC_ALREADY_EXISTS: orders',
  })
  assert.equal(verdictOf(new ApiError('NETWORK_EXCEPTION'), false).code, exitCode.unreachable)
  assert.equal(verdictOf(new ApiError('REQUEST_TIMED_OUT'), false).code, exitCode.unreachable)
  assert.equal(verdictOf(new UsageError('no'), false).code, exitCode.usage)
  assert.equal(verdictOf(new ConfigError('a.b', 'a.b: no'), false).code, exitCode.usage)
  assert.deepEqual(verdictOf(new ReportedFailure(), false), { code: exitCode.failed, message: null })
  assert.deepEqual(verdictOf(new ApiError('NETWORK_EXCEPTION'), true), { code: exitCode.interrupted, message: null })
})

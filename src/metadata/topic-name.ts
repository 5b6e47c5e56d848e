/** Kafka's rules for topic names. */

import { limits } from '../protocol/common.ts'
import type { Failure } from '../protocol/errors.ts'

const legalName = /^[a-zA-Z0-9._-]+$/

/** `null` when the name may be used, else `INVALID_TOPIC_EXCEPTION` that says why not. */
export function validateTopicName(name: string): Failure | null {
  const fault = topicNameFault(name)
  return fault === null ? null : { error: 'INVALID_TOPIC_EXCEPTION', message: `Illegal topic name: ${fault}.` }
}

/**
 * What two names must not share: metrics turn `.` into `_`, so `a.b` and `a_b` would be one. `null` for a name that has
 * neither and can collide with none.
 */
export function collisionKey(name: string): string | null {
  return name.includes('.') || name.includes('_') ? name.replaceAll('.', '_') : null
}

function topicNameFault(name: string): string | null {
  if (name.length === 0) return 'it is empty'
  if (name === '.' || name === '..') return 'it is "." or ".."'
  if (name.length > limits.topicNameLength) return `it is longer than ${limits.topicNameLength} characters`
  if (!legalName.test(name)) return 'it has characters other than letters, digits, ".", "_" and "-"'
  return null
}

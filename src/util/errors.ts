/**
 * The few error classes Millrace throws. Expected outcomes are values from `protocol/errors.ts`; these are for
 * what must not go on: a broken invariant, a bad configuration, damaged bytes, a peer that breaks the protocol.
 */

/** A broken invariant. The process must end: nobody designed the state it is in. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** A configuration that cannot be used. `key` names the setting, the message says what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly key: string
  constructor(key: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.key = key
  }
}

/** Bytes on disk that are not what was written there. `where` names the file and the position. */
export class CorruptionError extends Error {
  override readonly name = 'CorruptionError'
  readonly where: string
  constructor(where: string, message: string, options?: ErrorOptions) {
    super(`${where}: ${message}`, options)
    this.where = where
  }
}

/** The disk refused or failed a write or a sync. After it nothing about the affected bytes is known. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly where: string
  constructor(where: string, message: string, options?: ErrorOptions) {
    super(`${where}: ${message}`, options)
    this.where = where
  }
}

/** The wait was cancelled by its `AbortSignal` or because its owner closed. */
export class AbortError extends Error {
  override readonly name = 'AbortError'
}

/** One row of the table of settings. */
import type { Kind } from './types.ts'

export interface ConfigSpec<T = unknown> {
  readonly kind: Kind<T>
  readonly default: string
  /** One or two sentences for a table. */
  readonly doc: string
  readonly section: Section
  /** May be changed while the node runs. */
  readonly isDynamic: boolean
  /** The config of a topic whose default this is. */
  readonly topicKey: string | null
}

export type Section = 'node' | 'network' | 'topics' | 'log' | 'broker' | 'controller' | 'observability'

export function setting<T>(section: Section, kind: Kind<T>, value: string | number, doc: string): ConfigSpec<T> {
  return { section, kind, default: String(value), doc, isDynamic: false, topicKey: null }
}

/** May be altered in the metadata, for one broker at a time, while it runs. */
export function dynamicSetting<T>(section: Section, kind: Kind<T>, value: string | number, doc: string): ConfigSpec<T> {
  return { ...setting(section, kind, value, doc), isDynamic: true }
}

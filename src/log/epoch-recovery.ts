/**
 * The epoch history of a log that is being opened: from its checkpoint file, each entry confirmed by the batch it names,
 * and from the batches that were scanned. A file that does not agree with the log is thrown away and rebuilt from it.
 */
import { endOffsetOf } from '../protocol/batch/header.ts'
import { CorruptionError } from '../util/errors.ts'
import { type Offset, toLeaderEpoch } from '../util/numbers.ts'
import { decodeText } from './atomic-file.ts'
import { BatchCursor } from './batch-cursor.ts'
import { type EpochEntry, EpochHistory, parseEpochs } from './epoch-history.ts'
import type { LogCore } from './log-core.ts'
import { fileName } from './paths.ts'
import { withSoundIndexes } from './segment-tail.ts'

/** `scanned`: the epochs of the batches from `scannedFrom` on, which need no checkpoint. */
export function recoverEpochs(core: LogCore, scanned: readonly EpochEntry[], scannedFrom: Offset): void {
  const path = `${core.directory}/${fileName.epochs}`
  const { disk, logger } = core.env
  const found = disk.exists(path) ? parseEpochs(decodeText(disk.readWhole(path))) : []
  const kept = (found ?? []).filter(entry => entry.startOffset < Math.min(scannedFrom, core.logEndOffset))
  const isSound = found !== null && agreesWithLog(core, kept, Math.min(scannedFrom, core.logEndOffset))
  if (!isSound) {
    // An empty file, or none, is what a log has that was not checkpointed since its first record.
    if (disk.exists(path)) logger.warn({ path }, 'leader epoch checkpoint does not match the log: rebuilt from it')
    core.epochs = epochsOfLog(core)
  } else {
    core.epochs = new EpochHistory(kept)
    for (const entry of scanned) assignChecked(core, entry)
  }
  core.epochs.truncateFromStart(core.logStartOffset)
  core.savedEpochsVersion = isSound && found.length === core.epochs.entries.length ? core.epochs.version : -1
}

/** Every entry begins with a batch of its epoch, and none is missing at either end of `[logStartOffset, endOffset)`. */
function agreesWithLog(core: LogCore, entries: readonly EpochEntry[], endOffset: Offset): boolean {
  const { logStartOffset } = core
  if (endOffset <= logStartOffset) return true
  if (entries.length === 0 || entries[0]!.startOffset > logStartOffset) return false
  const isRight = entries.every((entry, at) => {
    const nextStart = entries[at + 1]?.startOffset ?? endOffset
    if (nextStart <= logStartOffset) return true
    const header = headerAt(core, Math.max(entry.startOffset, logStartOffset))
    const isAligned = entry.startOffset <= logStartOffset || header?.baseOffset === entry.startOffset
    return header?.leaderEpoch === entry.epoch && isAligned
  })
  return isRight && headerAt(core, endOffset - 1)?.leaderEpoch === entries.at(-1)!.epoch
}

function headerAt(core: LogCore, offset: Offset) {
  const segment = core.segmentFor(offset)
  if (segment === null || !segment.isCreated) return null
  return withSoundIndexes(core, segment, () => segment.locate(offset))?.header ?? null
}

function epochsOfLog(core: LogCore): EpochHistory {
  core.epochs = new EpochHistory()
  for (const segment of core.segments) {
    if (!segment.isCreated) continue
    const file = core.env.files.use(segment.logPath)
    const cursor = new BatchCursor(file, 0, segment.writtenBytes, 64 * 1024)
    for (let header = cursor.next(segment.baseOffset); header !== null; header = cursor.next(endOffsetOf(header))) {
      if (endOffsetOf(header) <= core.logStartOffset) continue
      const startOffset = Math.max(header.baseOffset, core.logStartOffset)
      assignChecked(core, { epoch: toLeaderEpoch(header.leaderEpoch), startOffset })
    }
  }
  return core.epochs
}

/** Leader epochs stand outside a batch's CRC, but they never go back. */
function assignChecked(core: LogCore, entry: EpochEntry): void {
  const latest = core.epochs.latestEpoch
  if (latest !== null && entry.epoch < latest) {
    throw new CorruptionError(core.directory, `leader epoch ${entry.epoch} at ${entry.startOffset} follows ${latest}`)
  }
  core.epochs.assign(entry.epoch, entry.startOffset)
}

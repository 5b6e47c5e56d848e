/** What is under way between the brokers of a random cluster, and between them and the controller. */
import type { RequestOf, ResponseOf } from '../../src/protocol/api.ts'
import type { alterPartition } from '../../src/protocol/apis/index.ts'
import type { Sent } from '../../src/replication/follower-progress.ts'
import type { IsrProposal, LeaderReplica } from '../../src/replication/leader-replica.ts'
import type { AppendAnswer, AppendItem } from '../../src/replication/types.ts'
import type { NodeId } from '../../src/util/numbers.ts'

export interface AppendPacket {
  readonly kind: 'append'
  readonly from: NodeId
  readonly to: NodeId
  readonly item: AppendItem
  /** Of the records in the batches of `item`. */
  readonly values: readonly number[]
  /** Who sent it: another reign, or another life, of that broker hears of no answer. */
  readonly leader: LeaderReplica
  readonly sent: Sent
}

export interface AnswerPacket {
  readonly kind: 'answer'
  readonly from: NodeId
  readonly to: NodeId
  readonly append: AppendPacket
  /** `null`: refused. */
  readonly answer: AppendAnswer | null
}

export interface AskPacket {
  readonly kind: 'ask'
  readonly from: NodeId
  readonly to: null
  readonly leader: LeaderReplica
  readonly proposal: IsrProposal
  readonly request: RequestOf<typeof alterPartition>
}

export interface ToldPacket {
  readonly kind: 'told'
  readonly from: null
  readonly to: NodeId
  readonly ask: AskPacket
  /** `null`: the whole request was refused. */
  readonly outcome: ResponseOf<typeof alterPartition>['partitions'][number] | null
}

export type Packet = AppendPacket | AnswerPacket | AskPacket | ToldPacket

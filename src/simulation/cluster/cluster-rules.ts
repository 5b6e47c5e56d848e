/** Every rule that a simulated cluster can break. */
import { type BrokerRules, soundBrokerRules } from '../../broker/rules.ts'
import { type ControllerRules, soundControllerRules } from '../../controller/rules.ts'

export type ClusterRules = ControllerRules & BrokerRules

export const soundClusterRules: ClusterRules = { ...soundControllerRules, ...soundBrokerRules }

// Every scenario, in the order in which a full run takes them.

import type { Scenario } from './scenario.ts'
import { saturate } from './scenarios/saturate.ts'

export const SCENARIOS: readonly Scenario[] = [saturate]

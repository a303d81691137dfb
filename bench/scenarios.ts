// Every scenario, in the order in which a full run takes them.

import type { Scenario } from './scenario.ts'
import { invalidate } from './scenarios/invalidate.ts'
import { invalidateStorm } from './scenarios/invalidate-storm.ts'
import { l1 } from './scenarios/l1.ts'
import { memory } from './scenarios/memory.ts'
import { network } from './scenarios/network.ts'
import { original } from './scenarios/original.ts'
import { readHeavy } from './scenarios/read-heavy.ts'
import { saturate } from './scenarios/saturate.ts'
import { scale } from './scenarios/scale.ts'
import { scaleLog } from './scenarios/scale-log.ts'
import { scaleOverwrites } from './scenarios/scale-overwrites.ts'
import { scaleTags } from './scenarios/scale-tags.ts'
import { stampede } from './scenarios/stampede.ts'

export const SCENARIOS: readonly Scenario[] = [
  original,
  saturate,
  readHeavy,
  network,
  stampede,
  invalidate,
  invalidateStorm,
  memory,
  l1,
  scale,
  scaleTags,
  scaleOverwrites,
  scaleLog,
]

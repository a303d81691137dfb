// What a result was measured on.

import { arch, cpus, platform, release, totalmem } from 'node:os'

export interface Machine {
  readonly kind: string
  readonly processors: string
  readonly memoryGb: number
  readonly system: string
  readonly node: string
}

export function describeMachine(): Machine {
  const processors = cpus()
  return {
    kind: `${platform()}-${arch()}-${processors.length}cpu`,
    processors: `${processors.length} × ${processors[0]?.model ?? 'unknown'}`,
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    system: `${platform()} ${release()}`,
    node: process.version,
  }
}

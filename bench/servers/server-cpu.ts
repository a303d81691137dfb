// What a server of our own computes: the time of its process, and of all that it started, from /proc.

import { readdirSync, readFileSync } from 'node:fs'

const MS_PER_TICK = 10 // USER_HZ is 100 on every Linux that Node runs on

interface ProcessTimes {
  readonly pid: number
  readonly parent: number
  readonly ms: number
  /** Of children that ended. */
  readonly endedMs: number
}

/** Milliseconds of CPU since the server started; undefined where the system does not tell. */
export function serverCpuMs(pid: number | undefined): number | undefined {
  if (pid === undefined || process.platform !== 'linux') return undefined
  const table = readTable()
  const server = table.find((each) => each.pid === pid)
  if (!server) return undefined
  const backends = table.filter((each) => each.parent === pid)
  return backends.reduce((sum, { ms }) => sum + ms, server.ms + server.endedMs)
}

/** Of one process; undefined where it has ended, or the system does not tell. */
export function processCpuMs(pid: number): number | undefined {
  try {
    return parse(pid, readFileSync(`/proc/${pid}/stat`, 'utf8')).ms
  } catch {
    return undefined
  }
}

function readTable(): ProcessTimes[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [parse(Number(name), readFileSync(`/proc/${name}/stat`, 'utf8'))]
      } catch {
        return [] // ended while the table was read
      }
    })
}

function parse(pid: number, stat: string): ProcessTimes {
  // The command's name stands in parentheses and may hold anything, parentheses included.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = (from: number): number => Number(fields[from]) + Number(fields[from + 1])
  return { pid, parent: Number(fields[1]), ms: ticks(11) * MS_PER_TICK, endedMs: ticks(13) * MS_PER_TICK }
}

// Ends a process together with its children at one instant, as a machine that loses its power does.

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

interface Row {
  readonly pid: number
  readonly parent: number
  readonly isZombie: boolean
}

const POLL_MS = 5

/** Sends SIGKILL to the process and its children, and resolves when none of them runs any more. */
export async function killTree(pid: number): Promise<void> {
  // Stopped first, so that it cannot fork while its children are being listed.
  process.kill(pid, 'SIGSTOP')
  const doomed = [pid, ...childrenOf(pid)]
  for (const each of doomed) sendKill(each)
  while (runningAmong(doomed)) await delay(POLL_MS)
}

function childrenOf(pid: number): number[] {
  return processTable()
    .filter((row) => row.parent === pid)
    .map((row) => row.pid)
}

/** A zombie counts as ended: nobody may be there to reap it when the first process of a container does not. */
function runningAmong(pids: readonly number[]): boolean {
  return processTable().some((row) => pids.includes(row.pid) && !row.isZombie)
}

function sendKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Ended by itself in the meantime.
  }
}

function processTable(): Row[] {
  return process.platform === 'linux' ? linuxProcessTable() : portableProcessTable()
}

function linuxProcessTable(): Row[] {
  const rows: Row[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      // The command's name stands in parentheses and may hold anything, parentheses included.
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      rows.push({ pid: Number(name), parent: Number(parent), isZombie: state === 'Z' })
    } catch {
      // Ended while the table was read.
    }
  }
  return rows
}

function portableProcessTable(): Row[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' })
  return table
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, state = ''] = line.trim().split(/\s+/)
      return { pid: Number(pid), parent: Number(parent), isZombie: state.startsWith('Z') }
    })
}

// A temporary folder that is gone when the process that made it is gone, and so is the process that works in it.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Account, reachableTemporaryFolder } from './postgres-binaries.ts'

const GUARD = fileURLToPath(new URL('postgres-guard.js', import.meta.url))

export class GuardedFolder {
  readonly path: string
  readonly #guard: ChildProcess

  constructor(account: Account | undefined) {
    this.path = mkdtempSync(join(reachableTemporaryFolder(account), 'postgres-cache-'))
    if (account) chownSync(this.path, account.uid, account.gid)
    this.#guard = spawn(process.execPath, [GUARD, this.path], {
      cwd: this.path,
      // In a session of its own: what kills the process group of its starter must not kill the guard.
      detached: true,
      windowsHide: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    this.#guard.unref()
    // The guard may have been killed; nobody is left to tell then.
    this.#guard.stdin?.on('error', () => {})
  }

  /** Names the process that is to end with this one. */
  watch(pid: number | undefined): void {
    this.#guard.stdin?.write(`${pid ?? 0}\n`)
  }

  async remove(): Promise<void> {
    if (this.#guard.exitCode === null && this.#guard.signalCode === null) {
      const ended = once(this.#guard, 'exit')
      this.#guard.ref()
      this.#guard.stdin?.end()
      await ended
    }
    rmSync(this.path, { recursive: true, force: true })
  }
}

// A wall clock of a test's own for the processes that are started with its environment; their monotonic clocks stay right.

import { mkdtempSync, renameSync, rmSync, writeFileSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import { reachableTemporaryFolder, serverAccount } from '../../scripts/postgres-binaries.ts'
import { LIBFAKETIME } from './tools.ts'

export class FakeClock implements Disposable {
  readonly environment: Readonly<Record<string, string>>
  readonly #folder: string
  readonly #file: string

  constructor(offsetSeconds: number) {
    this.#folder = mkdtempSync(join(reachableTemporaryFolder(serverAccount()), 'postgres-cache-clock-'))
    chmodSync(this.#folder, 0o755)
    this.#file = join(this.#folder, 'offset')
    this.set(offsetSeconds)
    this.environment = {
      LD_PRELOAD: LIBFAKETIME ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** From now on the clock is so many seconds ahead. */
  set(offsetSeconds: number): void {
    const next = `${this.#file}.next`
    writeFileSync(next, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}\n`)
    renameSync(next, this.#file) // or somebody might read half of it
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true })
  }
}

// A file system of a few megabytes, which is soon full.

import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { reachableTemporaryFolder, serverAccount } from '../../scripts/postgres-binaries.ts'

export class SmallDisk implements Disposable {
  readonly path: string

  constructor(megabytes: number) {
    const account = serverAccount()
    this.path = mkdtempSync(join(reachableTemporaryFolder(account), 'postgres-cache-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', this.path])
    if (account) chownSync(this.path, account.uid, account.gid)
    chmodSync(this.path, 0o700)
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.path])
    rmdirSync(this.path)
  }
}

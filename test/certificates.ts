// A certificate authority of a test's own, made by openssl, and the certificates that it issues.

import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { reachableTemporaryFolder, serverAccount } from '../scripts/postgres-binaries.ts'

export interface Certificate {
  readonly certificateFile: string
  readonly keyFile: string
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
const VALIDITY = ['-days', '2']

export class CertificateAuthority implements Disposable {
  readonly #folder: string
  readonly #certificate: Certificate

  constructor() {
    this.#folder = mkdtempSync(join(reachableTemporaryFolder(serverAccount()), 'postgres-cache-ca-'))
    this.#certificate = this.#filesOf('authority')
    const { certificateFile, keyFile } = this.#certificate
    const subject = ['-subj', '/CN=an authority of the tests']
    openssl('req', '-x509', ...KEY, ...subject, ...VALIDITY, '-keyout', keyFile, '-out', certificateFile)
  }

  get certificateFile(): string {
    return this.#certificate.certificateFile
  }

  /** For a server of that name. */
  issue(host: string): Certificate {
    const issued = this.#filesOf(host)
    const request = join(this.#folder, `${host}.csr`)
    const extensions = join(this.#folder, `${host}.ext`)
    writeFileSync(extensions, `subjectAltName = DNS:${host}`)
    openssl('req', ...KEY, '-subj', `/CN=${host}`, '-keyout', issued.keyFile, '-out', request)
    const signer = ['-CA', this.#certificate.certificateFile, '-CAkey', this.#certificate.keyFile]
    const signed = ['-in', request, '-extfile', extensions, '-out', issued.certificateFile]
    openssl('x509', '-req', ...signer, '-CAcreateserial', ...VALIDITY, ...signed)
    this.#handToServer()
    return issued
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true })
  }

  #filesOf(name: string): Certificate {
    return {
      certificateFile: join(this.#folder, `${name}.crt`),
      keyFile: join(this.#folder, `${name}.key`),
    }
  }

  // A server refuses a key of anyone but its own account.
  #handToServer(): void {
    const account = serverAccount()
    if (account === undefined) return
    const files = readdirSync(this.#folder).map((name) => join(this.#folder, name))
    for (const path of [this.#folder, ...files]) chownSync(path, account.uid, account.gid)
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' })
}

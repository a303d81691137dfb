// Values encrypted with AES-256-GCM. What authenticates them with the value is where they are stored: schema, prefix and key. A row that somebody
// copies to another key, schema or tenant does not decrypt there.
//
// Stored: format and length of the key id, a byte each, the id, 12 bytes nonce, 16 bytes tag, then the encrypted kind and content.

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { isUint8Array } from 'node:util/types'
import { fillDefaults, invalid } from '../core/check.ts'
import { CacheError } from '../core/errors.ts'
import type { Codec, CodecContext } from './codec.ts'
import { fromContent, malformed, toContent } from './content.ts'
import { jsonCodec } from './json.ts'

export interface EncryptionOptions {
  /** Encodes what is then encrypted. @default JSON */
  readonly codec?: Codec | undefined
  /** Keys of 32 random bytes by id. All of them decrypt. */
  readonly keys: Readonly<Record<string, Uint8Array>>
  /** The id of the key that encrypts. */
  readonly current: string
}

const CIPHER = 'aes-256-gcm'
const FORMAT = 1
const KEY_BYTES = 32
const MAX_ID_BYTES = 255
const HEADER_BYTES = 2
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * A codec that encrypts what another one encodes. Keys and tags of entries are not encrypted.
 *
 * @example
 * const secret = Buffer.from(process.env.CACHE_KEY ?? '', 'base64')
 * const cache = new PostgresCache({ codec: encrypted({ keys: { '2026': secret }, current: '2026' }) })
 */
export function encrypted(options: EncryptionOptions): Codec {
  const given = fillDefaults(options, { codec: jsonCodec, keys: undefined, current: undefined })
  const codec = given.codec as Codec
  const keys = readKeys(given.keys)
  const current = given.current as string
  const currentKey = keys.get(current)
  if (currentKey === undefined) throw invalid('current', 'the id of one of the `keys`', current)
  const id = `encrypted:${codec.id}`
  const header = toHeader(current)

  return {
    id,
    bytes: 'encoded',
    // Whoever can write to the table could otherwise put in the place of a value one that nobody has encrypted.
    plain: 'refuse',

    encode(value: unknown, context: CodecContext): Uint8Array {
      const { kind, bytes } = toContent(codec, value, context)
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, currentKey, nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(placeOf(id, current, context))
      const content = [cipher.update(Uint8Array.of(kind)), cipher.update(bytes), cipher.final()]
      return Buffer.concat([header, nonce, cipher.getAuthTag(), ...content])
    },

    decode(stored: string | Uint8Array, context: CodecContext): unknown {
      if (typeof stored === 'string' || stored[0] !== FORMAT) throw malformed('no format known here')
      const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
      const nonceAt = HEADER_BYTES + (bytes[1] ?? 0)
      const contentAt = nonceAt + NONCE_BYTES + TAG_BYTES
      if (bytes.length <= contentAt) throw malformed('too short')
      const keyId = bytes.toString('utf8', HEADER_BYTES, nonceAt)
      const key = keys.get(keyId)
      if (key === undefined)
        throw new CacheError(
          'invalid-value',
          `The entry was encrypted with key '${keyId}', which is not among \`keys\``,
        )
      const nonce = bytes.subarray(nonceAt, nonceAt + NONCE_BYTES)
      const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(placeOf(id, keyId, context))
      decipher.setAuthTag(bytes.subarray(nonceAt + NONCE_BYTES, contentAt))
      // Throws unless all of it is what was encrypted, for this place.
      const content = Buffer.concat([decipher.update(bytes.subarray(contentAt)), decipher.final()])
      return fromContent(codec, { kind: content[0] ?? -1, bytes: content.subarray(1) }, context)
    },
  }
}

function readKeys(given: unknown): ReadonlyMap<string, KeyObject> {
  if (typeof given !== 'object' || given === null)
    throw invalid('keys', 'an object of keys by id', typeof given)
  return new Map(Object.entries(given).map(([id, key]) => [id, readKey(id, key)]))
}

// The key stays out of the message.
function readKey(id: string, key: unknown): KeyObject {
  const idBytes = Buffer.byteLength(id)
  if (idBytes === 0 || idBytes > MAX_ID_BYTES || !id.isWellFormed())
    throw invalid('keys', `ids of 1 to ${MAX_ID_BYTES} bytes`, id)
  if (isUint8Array(key) && key.byteLength === KEY_BYTES) return createSecretKey(key)
  throw new CacheError('invalid-option', `Expected key '${id}' to be a Uint8Array of ${KEY_BYTES} bytes`, {
    option: 'keys',
  })
}

function toHeader(keyId: string): Uint8Array {
  const bytes = Buffer.from(keyId)
  return Buffer.concat([Buffer.from([FORMAT, bytes.length]), bytes])
}

function placeOf(codecId: string, keyId: string, { key, schema, schemaPrefix }: CodecContext): Uint8Array {
  return Buffer.from(JSON.stringify(['postgres-cache', FORMAT, codecId, keyId, schema, schemaPrefix, key]))
}

import { Transform } from 'node:stream'

/** For a proxy: hands on what passes so many milliseconds later. */
export function heldBack(ms: () => number): Transform {
  return new Transform({
    transform: (chunk: Buffer, _, done) => void setTimeout(() => done(null, chunk), ms()),
  })
}

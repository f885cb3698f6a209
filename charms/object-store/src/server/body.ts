/**
 * The body of a verified request, as a stream of the object's own bytes: takes `aws-chunked`
 * apart and holds what arrives against everything that was promised about it (its hash, the
 * signature of each chunk, length, MD5, checksum). It ends with an error rather than with a body
 * that is not the promised one, so that nothing wrong is ever put in place. Buffers no object.
 */
import { createHash, createHmac, type Hash, timingSafeEqual } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { crc32 } from 'node:zlib';
import { S3Error } from './s3-error.ts';
import { ALGORITHM, type ChunkChain, EMPTY_SHA256, type Payload, sha256 } from './sigv4.ts';

export interface Promised {
  payload: Payload;
  /** Of the object, undefined when not declared. */
  length: number | undefined;
  /** Base64, undefined when not declared. */
  md5: string | undefined;
  /** Base64 by name of header, lower case, for example `x-amz-checksum-crc32`. */
  checksums: Record<string, string>;
}

export function openBody(promised: Promised): Transform {
  return promised.payload.kind === 'chunked'
    ? new ChunkedBody(promised, promised.payload)
    : new PlainBody(promised);
}

/** Follows the bytes of the object and compares at the end. */
class Witness {
  readonly #promised: Promised;
  readonly #sha: Hash | undefined;
  readonly #md5: Hash | undefined;
  #crc = 0;
  #length = 0;

  constructor(promised: Promised) {
    this.#promised = promised;
    const wantsSha =
      promised.payload.kind !== 'unsigned' || 'x-amz-checksum-sha256' in promised.checksums;
    this.#sha = wantsSha ? createHash('sha256') : undefined;
    this.#md5 = promised.md5 === undefined ? undefined : createHash('md5');
  }

  see(bytes: Buffer): void {
    this.#length += bytes.length;
    if (this.#promised.length !== undefined && this.#length > this.#promised.length) {
      throw new S3Error(400, 'IncompleteBody', 'The body is longer than declared.');
    }
    this.#sha?.update(bytes);
    this.#md5?.update(bytes);
    this.#crc = crc32(bytes, this.#crc);
  }

  conclude(trailers: Record<string, string>): void {
    const { payload, length, md5 } = this.#promised;
    if (length !== undefined && this.#length !== length) {
      throw new S3Error(400, 'IncompleteBody', 'The body is shorter than declared.');
    }
    const sha = this.#sha?.digest();
    if (payload.kind === 'hashed' && sha?.toString('hex') !== payload.sha256) {
      throw new S3Error(400, 'XAmzContentSHA256Mismatch', 'The body is not the one signed for.');
    }
    const wanted = { ...this.#promised.checksums, ...trailers };
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(this.#crc);
    const wrong =
      (md5 !== undefined && this.#md5?.digest('base64') !== md5) ||
      differs(wanted['x-amz-checksum-crc32'], crc) ||
      differs(wanted['x-amz-checksum-sha256'], sha);
    if (wrong) throw new S3Error(400, 'BadDigest', 'The body does not have the declared digest.');
  }
}

function differs(declared: string | undefined, actual: Buffer | undefined): boolean {
  return declared !== undefined && actual !== undefined && declared !== actual.toString('base64');
}

class PlainBody extends Transform {
  readonly #witness: Witness;

  constructor(promised: Promised) {
    super();
    this.#witness = new Witness(promised);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    settle(done, () => {
      this.#witness.see(chunk);
      this.push(chunk);
    });
  }

  override _flush(done: TransformCallback): void {
    settle(done, () => this.#witness.conclude({}));
  }
}

const MAX_LINE_BYTES = 4096;

/** `<hex size>[;chunk-signature=…]\r\n<bytes>\r\n`, ended by a chunk of size 0 and trailers. */
class ChunkedBody extends Transform {
  readonly #witness: Witness;
  readonly #trailer: boolean;
  readonly #chain: ChunkChain | undefined;
  #previous: string;
  #state: 'size' | 'data' | 'data-end' | 'trailers' | 'done' = 'size';
  #line = Buffer.alloc(0);
  #left = 0;
  #claimed = '';
  #hash = createHash('sha256');
  #trailers: Record<string, string> = {};
  #trailersSigned = false;

  constructor(promised: Promised, payload: Extract<Payload, { kind: 'chunked' }>) {
    super();
    this.#witness = new Witness(promised);
    this.#trailer = payload.trailer;
    this.#chain = payload.chain;
    this.#previous = payload.chain?.seed ?? '';
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    settle(done, () => {
      let rest = chunk;
      while (rest.length > 0) {
        rest = this.#state === 'data' ? this.#takeData(rest) : this.#takeLine(rest);
      }
    });
  }

  override _flush(done: TransformCallback): void {
    settle(done, () => {
      if (this.#state !== 'done') throw malformed('The chunked body ends early.');
      this.#witness.conclude(this.#trailers);
    });
  }

  #takeData(bytes: Buffer): Buffer {
    const data = bytes.subarray(0, this.#left);
    this.#left -= data.length;
    this.#hash.update(data);
    this.#witness.see(data);
    this.push(data);
    if (this.#left === 0) this.#state = 'data-end';
    return bytes.subarray(data.length);
  }

  #takeLine(bytes: Buffer): Buffer {
    const end = bytes.indexOf(0x0a);
    const part = end < 0 ? bytes : bytes.subarray(0, end + 1);
    this.#line = Buffer.concat([this.#line, part]);
    if (this.#line.length > MAX_LINE_BYTES) throw malformed('A line of the body is too long.');
    if (end >= 0) {
      const line = this.#line.toString('latin1').replace(/\r?\n$/, '');
      this.#line = Buffer.alloc(0);
      this.#readLine(line);
    }
    return bytes.subarray(part.length);
  }

  #readLine(line: string): void {
    switch (this.#state) {
      case 'size':
        this.#openChunk(line);
        return;
      case 'data-end':
        if (line !== '') throw malformed('A chunk is longer than declared.');
        this.#closeChunk();
        this.#state = 'size';
        return;
      case 'trailers':
        this.#readTrailer(line);
        return;
      default:
        if (line !== '') throw malformed('Something follows the end of the body.');
    }
  }

  #openChunk(line: string): void {
    const match = /^([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
    if (match === null) throw malformed('The head of a chunk is malformed.');
    this.#left = Number.parseInt(match[1] ?? '', 16);
    this.#claimed = match[2] ?? '';
    this.#hash = createHash('sha256');
    if (this.#left > 0) {
      this.#state = 'data';
      return;
    }
    this.#closeChunk();
    this.#state = 'trailers';
  }

  #closeChunk(): void {
    if (this.#chain === undefined) return;
    this.#expect(this.#claimed, 'PAYLOAD', `${EMPTY_SHA256}\n${this.#hash.digest('hex')}`);
  }

  #readTrailer(line: string): void {
    if (line === '') {
      if (this.#trailer && this.#chain !== undefined && !this.#trailersSigned) {
        throw new S3Error(403, 'SignatureDoesNotMatch', 'The trailers are not signed.');
      }
      this.#state = 'done';
      return;
    }
    const at = line.indexOf(':');
    const name = line.slice(0, at).trim().toLowerCase();
    const value = line.slice(at + 1).trim();
    if (!this.#trailer || at <= 0) throw malformed('The body has trailers it did not announce.');
    if (name !== 'x-amz-trailer-signature') {
      this.#trailers[name] = value;
      return;
    }
    const signed = Object.entries(this.#trailers).map(([key, text]) => `${key}:${text}\n`);
    if (this.#chain !== undefined) this.#expect(value, 'TRAILER', sha256(signed.join('')));
    this.#trailersSigned = true;
  }

  #expect(claimed: string, kind: 'PAYLOAD' | 'TRAILER', hashes: string): void {
    const { key, amzDate, scope } = this.#chain as ChunkChain;
    const toSign = [`${ALGORITHM}-${kind}`, amzDate, scope, this.#previous, hashes].join('\n');
    const expected = createHmac('sha256', key).update(toSign).digest();
    const given = Buffer.from(claimed, 'hex');
    if (given.length !== expected.length || !timingSafeEqual(expected, given)) {
      throw new S3Error(403, 'SignatureDoesNotMatch', 'The signature of a chunk does not match.');
    }
    this.#previous = claimed;
  }
}

function malformed(message: string): S3Error {
  return new S3Error(400, 'IncompleteBody', message);
}

function settle(done: TransformCallback, work: () => void): void {
  try {
    work();
    done();
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)));
  }
}

/** The part of the storage package that this server uses; it ships no types of its own. */
declare module '@20minutes/s3rver' {
  import type { IncomingMessage, ServerResponse } from 'node:http';
  import type { Readable } from 'node:stream';

  export interface StoredObject {
    readonly size: number;
    /** None when the range lies outside. */
    content: Readable | null;
    range?: ByteRange;
  }

  /** Both ends are part of it. */
  export interface ByteRange {
    start: number;
    end: number;
  }

  export interface S3Store {
    getBucket(bucket: string): Promise<{ name: string; creationDate: Date } | null>;
    putBucket(bucket: string): Promise<unknown>;
    putContent(path: string, content: Readable | Buffer): Promise<[size: number, md5: string]>;
    getObject(
      bucket: string,
      key: string,
      range?: Partial<ByteRange>,
    ): Promise<StoredObject | null>;
    deleteObject(bucket: string, key: string): Promise<void>;
    getMetadata(bucket: string, key: string): Promise<Record<string, string | number>>;
    getResourcePath(bucket: string, key: string, resource: string): string;
  }

  // biome-ignore lint/style/noDefaultExport: it is how the package is made.
  export default class S3rver {
    constructor(options: { directory: string; silent: boolean; vhostBuckets: boolean });
    readonly store: S3Store;
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    on(event: 'error', listener: (error: unknown) => void): this;
  }
}

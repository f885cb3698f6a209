/**
 * The content of a secret from the words of secret-add and secret-set: keys, encodings, files,
 * limits. Values are base64 from here on; none of them occurs in a message.
 */
import { createHash } from 'node:crypto';
import { goQuote } from '../../../lib/contract/gnuflag.ts';
import { ToolFailure } from './execution.ts';
import type { Caller } from './handler.ts';
import type { SecretContent } from './pending.ts';

const KEY = /^[a-z](?:-?[a-z0-9]){2,}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Of base64, for one key and for all. */
const MAX_BYTES = 1_000_000;

/** @throws ToolFailure; a key in the file wins over the same key among the words */
export function readContent(
  words: readonly string[],
  file: string | undefined,
  caller: Caller,
): SecretContent {
  const content: SecretContent = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    addPair(content, word.slice(0, equals), word.slice(equals + 1), caller);
  }
  if (file !== undefined) {
    for (const [key, value] of Object.entries(caller.settings(file))) {
      addPair(content, key, value, caller);
    }
  }
  const total = Object.values(content).reduce((sum, value) => sum + value.length, 0);
  if (total > MAX_BYTES) throw new ToolFailure(`secret content too large: ${total} bytes`);
  return content;
}

function addPair(content: SecretContent, name: string, value: string, caller: Caller): void {
  const [, key = name, encoding] = /^(.*)#(base64|file)$/s.exec(name) ?? [];
  if (!KEY.test(key)) throw new ToolFailure(`key ${goQuote(key)} not valid`);
  const encoded = encode(key, value, encoding, caller);
  if (encoded.length > MAX_BYTES) {
    throw new ToolFailure(
      `secret content for key ${goQuote(key)} too large: ${encoded.length} bytes`,
    );
  }
  content[key] = encoded;
}

function encode(key: string, value: string, encoding: string | undefined, caller: Caller): string {
  if (encoding === 'file') return caller.readBytes(value).toString('base64');
  if (encoding === undefined) return Buffer.from(value, 'utf8').toString('base64');
  if (isBase64(value)) return value;
  throw new ToolFailure(`secret content for key ${goQuote(key)} not valid base64`);
}

export function isBase64(text: string): boolean {
  return BASE64.test(text);
}

/** Equal for equal content, whatever the order of the keys. */
export function checksum(content: SecretContent): string {
  const sorted = Object.entries(content).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
}

export function decodeContent(content: SecretContent): Record<string, string> {
  return Object.fromEntries(
    Object.entries(content).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString('utf8'),
    ]),
  );
}

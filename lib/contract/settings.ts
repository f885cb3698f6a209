/** The YAML map of strings that `--file` of relation-set, state-set and the secret tools names. */
import { parseDocument } from 'yaml';

/** @throws Error with the words of Go's YAML library when it is no map of scalars */
export function parseSettings(text: string): Record<string, string> {
  // The failsafe schema knows text only, as decoding into map[string]string does.
  const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) throw new Error(`yaml: ${error.message.split('\n')[0]}`);
  const value: unknown = document.toJS({ maxAliasCount: 0 }) ?? {};
  if (typeof value === 'string' && value.trim() === '') return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const found = Array.isArray(value) ? '!!seq' : '!!str';
    throw unmarshalError(found, 'map[string]string');
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (member === null) return [key, ''];
      if (typeof member === 'string') return [key, member];
      throw unmarshalError(Array.isArray(member) ? '!!seq' : '!!map', 'string');
    }),
  );
}

function unmarshalError(found: string, wanted: string): Error {
  return new Error(`yaml: unmarshal errors:\n  cannot unmarshal ${found} into ${wanted}`);
}

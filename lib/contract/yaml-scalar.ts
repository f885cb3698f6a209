/**
 * One scalar as yaml.v2 writes it: plain where it reads back as itself, single quotes where a
 * character forbids that, double quotes where the plain text would be another type, a literal
 * block for several lines. The rules are libyaml's, which yaml.v2 is a port of.
 */
const NOT_A_STRING = new Set([
  ...['', '~', 'null', 'Null', 'NULL', '<<', '.nan', '.NaN', '.NAN'],
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF', '-.inf', '-.Inf', '-.INF'],
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'],
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'],
]);
const INTEGER = /^[-+]?(?:0b[01_]+|0x[\da-f_]+|0o?[0-7_]+|[1-9][\d_]*|0)$/i;
const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:e[-+]?\d+)?$/i;
const BASE_60 = /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/;
const TIMESTAMP =
  /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)?)?$/;
/** Control characters, and what YAML counts as not printable. */
const SPECIAL = /[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;

/** @param depth of the surrounding block; a literal block is indented one deeper */
export function yamlScalar(value: string | number | boolean, depth: number, as?: 'key'): string {
  if (typeof value !== 'string') return String(value);
  const text = value.toWellFormed();
  if (text.includes('\n') && as !== 'key' && blockAllowed(text)) return literal(text, depth);
  if (text.includes('\n') || SPECIAL.test(text) || text.includes('\t')) return doubleQuoted(text);
  if (wouldBeAnotherType(text)) return doubleQuoted(text);
  return plainAllowed(text) ? text : `'${text.replaceAll("'", "''")}'`;
}

function wouldBeAnotherType(text: string): boolean {
  if (NOT_A_STRING.has(text) || BASE_60.test(text) || TIMESTAMP.test(text)) return true;
  const digits = text.replaceAll('_', '');
  return /^[-+.\d]/.test(text) && (INTEGER.test(digits) || FLOAT.test(digits));
}

function plainAllowed(text: string): boolean {
  if (/^(?:---|\.\.\.)/.test(text) || /^ | $/.test(text)) return false;
  if (/^[#,[\]{}&*!|>'"%@`]/.test(text) || /^[-?:](?: |$)/.test(text)) return false;
  return !/:(?: |$)/.test(text) && !/ #/.test(text);
}

function blockAllowed(text: string): boolean {
  return !SPECIAL.test(text) && !/ \n/.test(text) && !text.endsWith(' ');
}

function literal(text: string, depth: number): string {
  const indent = '  '.repeat(Math.max(depth, 1));
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const chomp = text.endsWith('\n') ? (/(?:\n\n|^\n)$/.test(text) ? '+' : '') : '-';
  const body = text.replace(/\n$/, '').split('\n');
  return `|${hint}${chomp}\n${body.map((line) => (line === '' ? '' : indent + line)).join('\n')}`;
}

function doubleQuoted(text: string): string {
  const escaped = text.replace(/["\\]/g, (character) => `\\${character}`).replace(/\n/g, '\\n');
  const special = new RegExp(SPECIAL.source, 'gu');
  return `"${escaped.replaceAll('\t', '\\t').replace(special, escapeSpecial)}"`;
}

function escapeSpecial(character: string): string {
  const short: Record<string, string> = {
    '\0': '\\0',
    '\u0007': '\\a',
    '\b': '\\b',
    '\u000b': '\\v',
    '\f': '\\f',
    '\r': '\\r',
    '\u001b': '\\e',
  };
  const code = character.codePointAt(0) ?? 0;
  const known = short[character];
  if (known !== undefined) return known;
  return code <= 0xff
    ? `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`
    : `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

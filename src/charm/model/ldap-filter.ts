/**
 * The option `ldap-search-filter`: an LDAP filter (RFC 4515) in which `$username` stands for who
 * logs in. PostgreSQL puts the name in; the synchronisation asks for everybody whom it could find.
 */
const USERNAME = '$username';
export const DEFAULT_FILTER = '(uid=$username)';

export interface SearchFilter {
  /** As PostgreSQL takes it. */
  readonly text: string;
  /** Finds every user that `text` could find. */
  readonly everybody: string;
  /** Whose value is the name of a user: of the first part that is exactly `$username`. */
  readonly attribute: string;
}

const MAX_DEPTH = 20;
const ITEM = /^([A-Za-z][A-Za-z0-9;.-]*|\d+(?:\.\d+)+)(~=|>=|<=|=)([^()\u0000-\u001f\u007f]*)$/;

/** Undefined when it is no filter, or has no `(attribute=$username)` in it outside of a `!`. */
export function parseSearchFilter(text: string): SearchFilter | undefined {
  const trimmed = text.trim();
  const attributes: string[] = [];
  const end = parseFilter(trimmed, 0, { attributes, depth: 0, negated: false });
  const [attribute] = attributes;
  if (end !== trimmed.length || attribute === undefined) return undefined;
  return { text: trimmed, everybody: trimmed.replaceAll(USERNAME, '*'), attribute };
}

interface Found {
  attributes: string[];
  depth: number;
  negated: boolean;
}

/** @returns the place behind the filter that begins at `at`; -1 when there is none */
function parseFilter(text: string, at: number, found: Found): number {
  if (text[at] !== '(' || found.depth > MAX_DEPTH) return -1;
  const operator = text[at + 1] ?? '';
  if (operator === '&' || operator === '|') return parseList(text, at + 2, deeper(found));
  if (operator === '!') {
    const end = parseFilter(text, at + 2, { ...deeper(found), negated: true });
    return end > 0 && text[end] === ')' ? end + 1 : -1;
  }
  const end = text.indexOf(')', at);
  return end > 0 && isItem(text.slice(at + 1, end), found) ? end + 1 : -1;
}

function parseList(text: string, start: number, found: Found): number {
  let at = start;
  while (text[at] === '(') {
    at = parseFilter(text, at, found);
    if (at < 0) return -1;
  }
  return at > start && text[at] === ')' ? at + 1 : -1;
}

function isItem(text: string, { attributes, negated }: Found): boolean {
  const [, attribute, comparison, value = ''] = ITEM.exec(text) ?? [];
  if (attribute === undefined) return false;
  // A backslash begins two hexadecimal digits and nothing else.
  if (/\\(?![0-9A-Fa-f]{2})/.test(value)) return false;
  if (comparison !== '=' && value.includes(USERNAME)) return false;
  if (value === USERNAME && !negated) attributes.push(attribute);
  return true;
}

function deeper(found: Found): Found {
  return { ...found, depth: found.depth + 1 };
}

/**
 * PEM as it travels in databags: text is taken apart strictly, because what is read here ends up in
 * files of servers. Knows the armour only; what a certificate says is for lib/x509.
 */
const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\r\n\t ]*)-----END \1-----/g;
/** A chain of a few certificates; nothing honest is longer. */
const MAX_TEXT = 256 * 1024;

export type PemLabel = 'CERTIFICATE' | 'CERTIFICATE REQUEST';

/**
 * Every block of one label, in the order of the text, each in one canonical form: `\n` at line ends
 * and 64 characters a line, no newline at its end. Equal content gives equal text.
 */
export function pemBlocks(text: string, label: PemLabel): string[] {
  if (text.length > MAX_TEXT) return [];
  return [...text.matchAll(BLOCK)].flatMap(([, found, body = '']) => {
    const content = canonical(body);
    if (labelOf(found) !== label || content === undefined) return [];
    return [`-----BEGIN ${label}-----\n${content}\n-----END ${label}-----`];
  });
}

/** The one block that the text consists of, canonical; undefined when it is anything else. */
export function onePem(text: unknown, label: PemLabel): string | undefined {
  if (typeof text !== 'string') return undefined;
  const blocks = pemBlocks(text, label);
  return blocks.length === 1 ? blocks[0] : undefined;
}

/** Some programs write `NEW CERTIFICATE REQUEST`, which RFC 7468 section 7 tells to accept. */
function labelOf(found: string | undefined): string | undefined {
  return found === 'NEW CERTIFICATE REQUEST' ? 'CERTIFICATE REQUEST' : found;
}

function canonical(body: string): string | undefined {
  const base64 = body.replace(/\s+/g, '');
  if (base64 === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  return base64.match(/.{1,64}/g)?.join('\n');
}

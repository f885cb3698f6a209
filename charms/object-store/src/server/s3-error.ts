/** Errors as S3 clients expect them: a code, a status, and a small XML document. Never a secret. */
import type { ServerResponse } from 'node:http';

export class S3Error extends Error {
  readonly code: string;
  readonly status: number;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'S3Error';
    this.status = status;
    this.code = code;
  }
}

/** Answers with the error, or ends the connection when an answer has already begun. */
export function sendError(response: ServerResponse, error: S3Error, requestId: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const body = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<Error><Code>${escapeXml(error.code)}</Code><Message>${escapeXml(error.message)}</Message>` +
      `<RequestId>${escapeXml(requestId)}</RequestId></Error>`,
  ].join('\n');
  response.writeHead(error.status, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(body),
    'x-amz-request-id': requestId,
    // The body of a refused request is not read, so nothing can follow it on this connection.
    connection: 'close',
  });
  response.end(body);
}

export function sendXml(response: ServerResponse, xml: string): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n${xml}`;
  response.writeHead(200, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

export function escapeXml(text: string): string {
  return text.replace(/[<>&"'\u0000-\u001f]/g, (char) => `&#${char.charCodeAt(0)};`);
}

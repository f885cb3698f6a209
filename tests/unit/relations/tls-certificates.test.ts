/** The codecs of tls-certificates and certificate_transfer: round trips, others' dialects, harm. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  readTransfer,
  transferData,
  transferRequest,
} from '../../../lib/relations/certificate-transfer.ts';
import { onePem, pemBlocks } from '../../../lib/relations/pem.ts';
import {
  certificatesData,
  readCertificates,
  readRequests,
  requestsData,
} from '../../../lib/relations/tls-certificates.ts';

const pem = (label: string, content: string) => {
  const lines = Buffer.from(content)
    .toString('base64')
    .match(/.{1,64}/g);
  return `-----BEGIN ${label}-----\n${lines?.join('\n')}\n-----END ${label}-----`;
};
const cert = (content: string) => pem('CERTIFICATE', content);
const csr = (content: string) => pem('CERTIFICATE REQUEST', content);

const content = fc.string({ minLength: 1, maxLength: 100 });
const certificates = content.map(cert);
const issued = fc.record(
  {
    csr: content.map(csr),
    certificate: certificates,
    ca: certificates,
    chain: fc.array(certificates, { maxLength: 3 }),
    revoked: fc.boolean(),
  },
  { noNullPrototype: true },
);
const text = (data: Record<string, string | undefined>) =>
  Object.fromEntries(Object.entries(data).filter((entry): entry is [string, string] => !!entry[1]));

describe('pem', () => {
  test('one content has one text, whatever its line ends and lengths', () => {
    const plain = cert('x'.repeat(200));
    const crlf = `${plain.replaceAll('\n', '\r\n')}\r\n`;
    const long = plain.replace(/(?<=[A-Za-z0-9+/])\n(?=[A-Za-z0-9+/])/g, '');
    assert.equal(onePem(crlf, 'CERTIFICATE'), plain);
    assert.equal(onePem(long, 'CERTIFICATE'), plain);
    assert.equal(onePem(`Subject: it\n${plain}`, 'CERTIFICATE'), plain);
    assert.equal(
      onePem(plain.replaceAll('CERTIFICATE', 'NEW CERTIFICATE REQUEST'), 'CERTIFICATE'),
      undefined,
    );
  });

  test('anything else is no PEM', () => {
    const two = `${cert('a')}\n${cert('b')}`;
    assert.deepEqual(pemBlocks(two, 'CERTIFICATE'), [cert('a'), cert('b')]);
    const none = [two, '', cert('a').slice(5), cert('a').replace('\n', '\n;'), undefined, 7, []];
    for (const each of none) assert.equal(onePem(each, 'CERTIFICATE'), undefined, String(each));
    assert.deepEqual(pemBlocks('-----BEGIN CERTIFICATE-----\n'.repeat(9000), 'CERTIFICATE'), []);
  });
});

describe('tls-certificates', () => {
  test('what one side writes the other reads', () => {
    fc.assert(
      fc.property(fc.array(issued, { maxLength: 4 }), (all) => {
        assert.deepEqual(readCertificates(text(certificatesData(all))), all);
        const requests = all.map((each) => ({ csr: each.csr, isCa: each.revoked }));
        assert.deepEqual(readRequests(requestsData(requests)), requests);
      }),
    );
  });

  test('is written in the words of the interface', () => {
    const [request, ca] = [csr('me'), cert('root')];
    assert.deepEqual(
      JSON.parse(requestsData([{ csr: request, isCa: false }]).certificate_signing_requests ?? ''),
      [{ certificate_signing_request: request, ca: false }],
    );
    const entry = { csr: request, certificate: cert('it'), ca, chain: [ca], revoked: false };
    assert.deepEqual(JSON.parse(certificatesData([entry])['certificates'] ?? ''), [
      {
        ca,
        certificate_signing_request: request,
        certificate: cert('it'),
        chain: [ca],
        revoked: false,
      },
    ]);
    assert.deepEqual(certificatesData([]), { certificates: undefined });
  });

  test('dialects of other providers are understood', () => {
    const entry = {
      ca: `${cert('root')}\n`,
      certificate_signing_request: csr('me').replaceAll('\n', '\r\n'),
      certificate: `${cert('it')}\n${cert('between')}\n`,
      chain: null,
      unknown: 1,
    };
    assert.deepEqual(readCertificates({ certificates: JSON.stringify([entry]) }), [
      {
        csr: csr('me'),
        certificate: cert('it'),
        ca: cert('root'),
        chain: [cert('between')],
        revoked: false,
      },
    ]);
    const bare = JSON.stringify([{ certificate_signing_request: csr('me') }]);
    const asked = readRequests({ certificate_signing_requests: bare });
    assert.deepEqual(asked, [{ csr: csr('me'), isCa: false }]);
  });

  test('an entry that is no use costs no other', () => {
    const good = { certificate_signing_request: csr('me'), certificate: cert('it'), ca: cert('r') };
    const bad = [null, 7, [], {}, { ...good, ca: 'none' }, { ...good, certificate: '' }];
    const read = readCertificates({ certificates: JSON.stringify([...bad, good]) });
    assert.deepEqual(
      read.map((each) => each.certificate),
      [cert('it')],
    );
  });

  test('no text whatever makes it throw, or lets through what is no PEM', () => {
    const hostile = fc.oneof(
      fc.string(),
      fc.json(),
      content.map((each) => JSON.stringify([each])),
    );
    fc.assert(
      fc.property(hostile, (json) => {
        assert.deepEqual(readCertificates({ certificates: json }), []);
        assert.deepEqual(readRequests({ certificate_signing_requests: json }), []);
        assert.deepEqual(readTransfer({ certificates: json }, [{ chain: json, ca: json }]), []);
      }),
    );
    const many = JSON.stringify(Array(5000).fill({ certificate_signing_request: csr('me') }));
    assert.equal(readRequests({ certificate_signing_requests: many }).length, 1000);
  });
});

describe('certificate_transfer', () => {
  test('both versions say the same', () => {
    fc.assert(
      fc.property(fc.uniqueArray(certificates, { minLength: 1, maxLength: 4 }), (all) => {
        const { unit, app } = transferData(all);
        assert.deepEqual(readTransfer(text(app), []), all);
        assert.deepEqual(new Set(readTransfer({}, [text(unit)])), new Set(all));
      }),
    );
  });

  test('the newer version counts where both are there; units of the older add up', () => {
    const [a, b, c] = [cert('a'), cert('b'), cert('c')];
    assert.deepEqual(readTransfer({ certificates: JSON.stringify([a]) }, [{ ca: b }]), [a]);
    assert.deepEqual(readTransfer({}, [{ ca: a, certificate: c }, { ca: b }]), [a, b]);
    assert.deepEqual(readTransfer({}, [{ certificate: c }]), [c]);
  });

  test('nothing to transfer leaves nothing behind', () => {
    const { unit, app } = transferData([]);
    assert.deepEqual(text(unit), {});
    assert.deepEqual(text(app), {});
    assert.deepEqual(transferRequest(), { version: '1' });
  });
});

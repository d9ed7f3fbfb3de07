import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A certificate and its private key, PEM. */
export interface Certified {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface Authority extends Certified {
  /** A certificate for 127.0.0.1 and localhost, with a URI name (a SPIFFE id) where given. */
  issue(name: string, uri?: string): Certified;
}

/**
 * A certificate authority made on the spot, so that no key and no date stands in the repository. X.509 version 3 (RFC 5280)
 * with P-256 keys, valid from 2020 to 2049; only what TLS needs.
 */
export function createAuthority(name: string): Authority {
  const pair = keyPair();
  const constraints = extension('2.5.29.19', true, sequence(boolean(true)));
  const own = certificate({
    subject: name,
    issuer: name,
    publicKey: pair.publicKey,
    signer: pair.privateKey,
    extension: constraints,
  });
  return {
    cert: own,
    key: pem('PRIVATE KEY', pair.privateKey.export({ type: 'pkcs8', format: 'der' })),
    issue(subject, uri) {
      const leaf = keyPair();
      const names = [
        tagged(0x82, Buffer.from('localhost')),
        tagged(0x87, Buffer.from([127, 0, 0, 1])),
        ...(uri === undefined ? [] : [tagged(0x86, Buffer.from(uri))]),
      ];
      return {
        cert: certificate({
          subject,
          issuer: name,
          publicKey: leaf.publicKey,
          signer: pair.privateKey,
          extension: extension('2.5.29.17', false, sequence(...names)),
        }),
        key: pem('PRIVATE KEY', leaf.privateKey.export({ type: 'pkcs8', format: 'der' })),
      };
    },
  };
}

function keyPair(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function certificate(of: {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extension: Buffer;
}): Buffer {
  const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
  const signed = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    commonName(of.issuer),
    sequence(tagged(0x17, Buffer.from('200101000000Z')), tagged(0x17, Buffer.from('491231235959Z'))),
    commonName(of.subject),
    of.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(of.extension)),
  );
  const signature = tagged(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', signed, of.signer)]));
  return pem('CERTIFICATE', sequence(signed, ecdsaWithSha256, signature));
}

function commonName(name: string): Buffer {
  return sequence(tagged(0x31, sequence(oid('2.5.4.3'), tagged(0x0c, Buffer.from(name)))));
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), tagged(0x04, value));
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.from([value ? 0xff : 0]));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

/** DER: tag, length in the shortest form, contents. */
function tagged(tag: number, contents: Buffer): Buffer {
  const { length } = contents;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), contents]);
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}

function pem(label: string, der: Buffer): Buffer {
  const lines = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return Buffer.from(`-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`);
}

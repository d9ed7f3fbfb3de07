import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { TlsClientFiles } from '../audit/tls-client.ts';
import type { Complaint, SettingPath } from './problem.ts';

const certificateFix = 'Put certificates there in PEM: -----BEGIN CERTIFICATE----- and so on.';

/**
 * What is wrong with what stands in the files of a TLS client: Node takes a file without a certificate for one without authorities, and
 * tells of a key that does not fit only once it connects. `readPem` gives null for a file that cannot be read, of which others tell.
 */
export function pemComplaints(
  path: SettingPath,
  { caFile, certFile, keyFile }: TlsClientFiles,
  readPem: (path: string) => string | null,
): readonly Complaint[] {
  const found: Complaint[] = [];
  const add = (setting: string, file: string, what: string, fix: string): void => {
    found.push({ severity: 'error', path: [...path, setting], message: `names ${file}, ${what}`, fix });
  };
  const certificates = (setting: string, file: string | null): readonly X509Certificate[] => {
    const text = file === null ? null : readPem(file);
    if (file === null || text === null) return [];
    const blocks = text.match(certificateBlock) ?? [];
    if (blocks.length === 0) add(setting, file, 'in which there is no certificate', certificateFix);
    const read = blocks.map(certificateIn);
    const broken = read.indexOf(null);
    if (broken >= 0) add(setting, file, `whose certificate number ${broken + 1} cannot be read`, certificateFix);
    return read.filter((each) => each !== null);
  };

  certificates('ca_file', caFile);
  const [own] = certificates('cert_file', certFile);
  const text = keyFile === null ? null : readPem(keyFile);
  if (keyFile === null || text === null) return found;
  const key = privateKeyIn(text);
  if (key === null) {
    const fix = 'Put one there in PEM, without a passphrase: -----BEGIN PRIVATE KEY----- and so on.';
    add('key_file', keyFile, 'in which there is no private key that can be read', fix);
  } else if (own !== undefined && !own.checkPrivateKey(key)) {
    const fix = 'Name the key that it was issued for; our own certificate stands first in its file.';
    add('key_file', keyFile, 'which is not the key of the certificate in cert_file', fix);
  }
  return found;
}

const certificateBlock = /-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END \1?CERTIFICATE-----/g;

function certificateIn(block: string): X509Certificate | null {
  try {
    return new X509Certificate(block);
  } catch {
    return null;
  }
}

function privateKeyIn(text: string): KeyObject | null {
  try {
    return createPrivateKey(text);
  } catch {
    return null;
  }
}

import { readFileSync } from 'node:fs';
import { createAgeWrap } from '../audit/age.ts';
import {
  type AuditKeys,
  createKeyRing,
  createLocalKek,
  type Kek,
  type KeySource,
  secretsFromEnvironment,
  secretsFromFile,
} from '../audit/keys.ts';
import { readTls } from '../audit/tls-client.ts';
import type { KekConfig } from '../config/audit-section.ts';
import type { AuditConfig } from '../config/config.ts';
import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';

/**
 * The keys that configuration names: the signing key from the key file or the environment, the key-encryption key from there or from
 * a service, and behind it every one that was in use before. Throws Fault `key_unavailable`.
 */
export async function openAuditKeys(
  config: Pick<AuditConfig, 'keyFile' | 'createKeyFile' | 'kek' | 'previousKeyFiles' | 'ageRecipients'>,
  environment: Readonly<Record<string, string | undefined>>,
  random: RandomBytes,
): Promise<AuditKeys> {
  const source = config.keyFile
    ? secretsFromFile(config.keyFile, config.createKeyFile, random)
    : secretsFromEnvironment(environment);
  const earlier = config.previousKeyFiles.flatMap((file) => localKeks(secretsFromFile(file, false, random), random));
  const here = [...localKeks(source, random), ...earlier];
  const [first, ...others] = config.kek === null ? here : [await remoteKek(config.kek), ...here];
  if (first === undefined) {
    throw new Fault(
      'key_unavailable',
      `there is no key-encryption key: put "kek" into ${config.keyFile ?? 'COUNTERSIGN_AUDIT_KEK'}, or name a service in audit.kek`,
    );
  }
  const age = config.ageRecipients.length === 0 ? null : createAgeWrap(config.ageRecipients);
  return createKeyRing({ signingSeed: source.signingSeed, keks: [first, ...others], age });
}

function localKeks({ kek }: KeySource, random: RandomBytes): Kek[] {
  return kek === null ? [] : [createLocalKek(kek, random)];
}

/** The clients of key services are large: the one that is needed is loaded. */
async function remoteKek(config: KekConfig): Promise<Kek> {
  switch (config.kind) {
    case 'vault': {
      const { createVaultKek } = await import('../audit/vault-kek.ts');
      return createVaultKek({ ...config, tls: readTls(config.tls), token: () => vaultToken(config.token) });
    }
    case 'aws_kms': {
      const { createAwsKmsKek } = await import('../audit/aws-kms-kek.ts');
      return createAwsKmsKek({ ...config, tls: readTls(config.tls) });
    }
    case 'gcp_kms': {
      const { createGcpKmsKek } = await import('../audit/gcp-kms-kek.ts');
      return createGcpKmsKek(config);
    }
  }
}

function vaultToken(token: Extract<KekConfig, { kind: 'vault' }>['token']): string {
  if ('value' in token) return token.value.reveal();
  try {
    return readFileSync(token.file, 'utf8').trim();
  } catch (cause) {
    throw new Fault('key_unavailable', `the Vault token ${token.file} cannot be read`, cause);
  }
}

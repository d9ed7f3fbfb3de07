/** Imports point left: a folder of src/ may import itself and the folders before it. docs/ARCHITECTURE.md shows this list. */
export const order: readonly string[] = [
  'lib',
  'telemetry',
  'identity',
  'llm',
  'detect',
  'mask',
  'policy',
  'approval',
  'audit',
  'exchange',
  'rpc',
  'pep',
  'api',
  'config',
  'main',
];

/** pep does not see api, nor api pep: they stand side by side. First of each pair: who may not import the second. */
export const apart: readonly (readonly [string, string])[] = [['api', 'pep']];

/** ts-proto output: data types at the edge only. */
export const genImporters: readonly string[] = ['rpc', 'pep', 'api', 'main'];

/** A vendor package enters by one named door. */
export const doors: Readonly<Record<string, readonly string[]>> = {
  '@grpc/grpc-js': ['rpc/', 'pep/', 'api/', 'gen/', 'main/'],
  '@open-policy-agent/opa-wasm': ['policy/opa-wasm.ts'],
  ioredis: ['approval/redis-store.ts', 'approval/redis-client.ts'],
  'classic-level': ['approval/level-store.ts', 'audit/level-index.ts'],
  kafkajs: ['audit/sinks/kafka-sink.ts'],
  '@aws-sdk/client-s3': ['audit/sinks/s3-store.ts'],
  jose: ['identity/', 'main/demo/'],
  pino: ['telemetry/'],
  'prom-client': ['telemetry/'],
  nodemailer: ['approval/notice/smtp-mailer.ts'],
  re2js: ['detect/custom-pattern.ts'],
  yaml: ['config/'],
  zod: ['config/', 'policy/result.ts'],
  'age-encryption': ['audit/age.ts'],
  '@aws-sdk/client-kms': ['audit/aws-kms-kek.ts'],
  'google-auth-library': ['audit/gcp-kms-kek.ts'],
  commander: ['main/', 'main.ts', 'cli.ts'],
};

/** Files that touch a network, a disk or a foreign engine: only the composition root and tests import them. */
export const adapter: RegExp =
  /(redis-store|level-store|level-index|file-spool|http-post|smtp-mailer|opa-wasm|jwks|file-log|bundle-files|file-source|opa-binary|presidio-http|vault-kek|aws-kms-kek|gcp-kms-kek)\.ts$/;

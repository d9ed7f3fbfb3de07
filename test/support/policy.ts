import { cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bundle } from '../../src/policy/bundle.ts';
import { buildBundle, readBundle } from '../../src/policy/bundle-files.ts';
import type { PolicyInput } from '../../src/policy/decision.ts';
import { findOpa } from '../../src/policy/opa-binary.ts';

/** The policies that are shipped. */
export const shippedPolicies: string = fileURLToPath(new URL('../../policies', import.meta.url));

/** A policy folder in a temporary place: the shipped schema and capabilities, and the given files. */
export async function policyFolder(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  for (const name of ['schemas', 'capabilities.json']) {
    await cp(join(shippedPolicies, name), join(root, name), { recursive: true });
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

/** Builds a folder and reads the bundle back. */
export async function bundleFrom(root: string): Promise<Bundle> {
  const built = await buildBundle({ root, out: join(root, 'dist', 'bundle.tar.gz') });
  if (!built.ok) throw new Error(built.error.message);
  return readBundle(built.value.file);
}

/** A bundle whose request entry point is the given Rego expression; the response entry point allows. */
export async function bundleDeciding(expression: string, rest = ''): Promise<Bundle> {
  const main = `package countersign\n\nrequest := ${expression}\n\nresponse := ${regoAllow}\n\n${rest}\n`;
  return bundleFrom(await policyFolder({ 'main.rego': main }));
}

/** The smallest valid result, as Rego (formatted) and as JSON alike. */
export const regoAllow: string =
  '{"action": "allow", "rules": [], "reasons": [], "redact": [], "deny": null, "hold": null, "labels": {}, "capture": "full"}';

/** An ordinary request of an ordinary employee. */
export const ordinaryRequest: PolicyInput = {
  version: 1,
  phase: 'request',
  exchange: {
    id: '0190a0b0-0000-7000-8000-000000000000',
    session: 's-1',
    received_at: '2025-06-01T12:00:00.000000000Z',
  },
  subject: {
    authenticated: true,
    kind: 'human',
    id: 'alice',
    issuer: 'https://idp.example',
    tenant: 'default',
    groups: ['engineering', 'everyone'],
    roles: [],
    claims: {},
    workload: null,
  },
  resource: {
    host: 'api.example',
    path: '/v1/chat/completions',
    method: 'POST',
    dialect: 'openai.chat',
    operation: 'chat',
    model: 'gpt-4o',
    stream: false,
  },
  conversation: {
    segments: [{ pointer: '/messages/0/content', role: 'user', kind: 'text', text: 'What is the capital of France?' }],
    tools: [],
    uninspected: [],
  },
  findings: [],
  approval: null,
  http: { headers: {} },
  envoy: { source: '10.0.0.1:4711', destination: '10.0.0.2:443', context_extensions: {}, metadata: {} },
};

/** The same request with another text. */
export function saying(text: string): PolicyInput {
  const segments = [{ pointer: '/messages/0/content', role: 'user', kind: 'text', text }];
  return { ...ordinaryRequest, conversation: { ...ordinaryRequest.conversation, segments } };
}

/** The opa command, found as the product finds it. */
export function opaPath(): string {
  const found = findOpa();
  if (found === null) throw new Error('the policy tests need opa');
  return found;
}

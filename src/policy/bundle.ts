import { gunzipSync, gzipSync } from 'node:zlib';
import { sha256Hex } from '../lib/hash.ts';
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { readTar, type TarFile, writeTar } from './tar.ts';

/** Version of the contract between policies and this service: the shape of `input` and of the result. */
export const contractVersion = 1;

/** The entry points that every bundle has, by phase. */
export const entrypoints = { request: 'countersign/request', response: 'countersign/response' } as const;

/** A compiled policy with its data: what is evaluated, and nothing of how it came to be. */
export interface Bundle {
  /** Content address of all that can influence a decision: `sha256:<hex>`. */
  readonly revision: string;
  readonly wasm: Uint8Array;
  /** The base documents, JSON. */
  readonly data: JsonObject;
  /** Whether a rule may read the text of a segment. False only where the build has proved it. */
  readonly readsText: boolean;
  /** Members of `input` that a rule may read; null: any. What is not among them, the build has proved to be without influence. */
  readonly reads: readonly string[] | null;
  /** Rego sources, for people and for a replay by `opa eval`; never used to decide. */
  readonly sources: readonly TarFile[];
}

/** What a build knows before the bundle has a revision. */
export type BundleContents = Omit<Bundle, 'revision'>;

export function createBundle(contents: BundleContents): Bundle {
  return { ...contents, revision: revisionOf(contents) };
}

/** The bytes of a bundle file (`.tar.gz`, the layout of OPA's own bundles): equal contents give equal bytes. */
export function encodeBundle(bundle: Bundle): Buffer {
  const manifest = {
    revision: bundle.revision,
    roots: [''],
    wasm: Object.values(entrypoints).map((entrypoint) => ({ entrypoint, module: '/policy.wasm' })),
    rego_version: 1,
    metadata: { countersign: { contract: contractVersion, reads_text: bundle.readsText, reads: bundle.reads } },
  };
  return gzipSync(
    writeTar([
      { path: '.manifest', bytes: Buffer.from(canonicalJson(manifest)) },
      { path: 'data.json', bytes: Buffer.from(canonicalJson(bundle.data)) },
      { path: 'policy.wasm', bytes: bundle.wasm },
      ...bundle.sources,
    ]),
    { level: 9 },
  );
}

/** Reads a bundle file. Throws an Error that says what is wrong; no bound of `limits` is passed on the way. */
export function decodeBundle(file: Buffer): Bundle {
  return bundleOf(readTar(gunzipSync(file, { maxOutputLength: limits.policyBundleBytesMax })));
}

/**
 * Puts a bundle together from its files. One that `opa build` made alone is welcome too: it has no revision, and is taken
 * to read texts. A revision that does not address the contents is refused: the file was altered after it was built.
 */
export function bundleOf(files: readonly TarFile[]): Bundle {
  const byPath = new Map(files.map((file) => [file.path, file.bytes]));
  const wasm = byPath.get('policy.wasm');
  if (!wasm) throw new Error('the bundle has no policy.wasm; was it built with `countersign policy build`?');
  const manifest = jsonObject(byPath.get('.manifest'), '.manifest');
  const own = memberObject(memberObject(manifest, 'metadata'), 'countersign');
  const contract = own['contract'] ?? contractVersion;
  if (contract !== contractVersion) {
    throw new Error(`the bundle speaks contract ${String(contract)}, this service speaks ${contractVersion}`);
  }
  const bundle = createBundle({
    wasm,
    data: jsonObject(byPath.get('data.json'), 'data.json'),
    readsText: own['reads_text'] !== false,
    reads: names(own['reads']),
    sources: files.filter((file) => file.path.endsWith('.rego')),
  });
  const revision = manifest['revision'];
  if (typeof revision === 'string' && revision.startsWith('sha256:') && revision !== bundle.revision) {
    throw new Error(`the bundle says revision ${revision}, its contents are ${bundle.revision}`);
  }
  return bundle;
}

function revisionOf(contents: BundleContents): string {
  const address = canonicalJson({
    contract: contractVersion,
    data: sha256Hex(canonicalJson(contents.data)),
    reads: contents.reads,
    reads_text: contents.readsText,
    wasm: sha256Hex(contents.wasm),
  });
  return `sha256:${sha256Hex(address)}`;
}

function jsonObject(bytes: Uint8Array | undefined, path: string): JsonObject {
  if (!bytes) return {};
  let value: JsonValue;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new Error(`${path} of the bundle is not JSON`, { cause });
  }
  if (!isJsonObject(value)) throw new Error(`${path} of the bundle is not a JSON object`);
  return value;
}

function memberObject(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isJsonObject(value) ? value : {};
}

function names(value: JsonValue | undefined): readonly string[] | null {
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : null;
}

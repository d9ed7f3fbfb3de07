import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { limits } from '../../../src/lib/limits.ts';

const folder = new URL('../../../envoy/', import.meta.url).pathname;
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.yaml') && path !== 'countersign.yaml')
  .sort();

/** The longest in-band hold, and a second. */
const ours = readFileSync(join(folder, 'countersign.yaml'), 'utf8');
const waitS = 1 + Number(/^ {2}max_wait: (\d+)s$/m.exec(ours)?.[1]);

type Node = Readonly<Record<string, unknown>>;

describe.each(files)('%s', (file) => {
  test('parses, and every filter in it fails closed', () => {
    expect(problemsOf(readFileSync(join(folder, file), 'utf8'))).toEqual([]);
  });
});

test('there is a filter of each kind, and a request limit, for each gateway', () => {
  const found = files.map((file) => {
    const nodes = nodesOf(readFileSync(join(folder, file), 'utf8'));
    return { file, kinds: [...new Set(nodes.flatMap(kindOf))].sort() };
  });
  expect(found.filter(({ kinds }) => kinds.length > 0)).toEqual([
    { file: 'envoy-gateway/ext-authz.yaml', kinds: ['ext_authz', 'request limit'] },
    { file: 'envoy-gateway/ext-proc.yaml', kinds: ['ext_proc', 'request limit'] },
    { file: 'envoy.yaml', kinds: ['ext_proc', 'request limit'] },
    { file: 'ext-authz-and-ext-proc.yaml', kinds: ['ext_authz', 'ext_proc', 'request limit'] },
    { file: 'ext-authz-only.yaml', kinds: ['ext_authz', 'request limit'] },
    { file: 'istio/ext-proc.yaml', kinds: ['ext_proc'] },
    { file: 'istio/mesh-config.yaml', kinds: ['ext_authz'] },
    { file: 'istio/service.yaml', kinds: ['request limit'] },
  ]);
});

describe('a planted mistake is found', () => {
  test.each([
    ['envoy.yaml', 'failure_mode_allow: false', 'failure_mode_allow: true'],
    ['envoy.yaml', 'failure_mode_allow: false', 'stat_prefix: x'],
    ['envoy.yaml', 'response_trailer_mode: SEND', 'response_trailer_mode: SKIP'],
    ['envoy.yaml', 'request_body_mode: BUFFERED', 'request_body_mode: NONE'],
    ['envoy.yaml', 'message_timeout: 60s', 'message_timeout: 50s'],
    ['envoy.yaml', 'max_requests_per_connection: 500', 'max_requests_per_connection: 5000'],
    ['ext-authz-only.yaml', 'allow_partial_message: false', 'allow_partial_message: true'],
    ['istio/mesh-config.yaml', 'failOpen: false', 'failOpen: true'],
    ['istio/service.yaml', 'appProtocol: grpc', 'appProtocol: http'],
    ['istio/ext-authz.yaml', 'rules: [{}]', 'rules: [{ to: [{ operation: { paths: [/v1/*] } }] }]'],
    ['envoy-gateway/ext-proc.yaml', 'failOpen: false', 'failOpen: true'],
    ['envoy-gateway/ext-proc.yaml', 'request: { body: Buffered,', 'request: {'],
    ['envoy-gateway/ext-authz.yaml', 'timeout: 60s', 'timeout: 10s'],
  ])('%s: %s -> %s', (file, right, wrong) => {
    const text = readFileSync(join(folder, file), 'utf8');
    expect(text).toContain(right);
    expect(problemsOf(text.replace(right, wrong))).not.toEqual([]);
  });
});

function problemsOf(text: string): string[] {
  const broken = parseAllDocuments(text).flatMap((document) => document.errors.map((error) => error.message));
  return [...broken, ...nodesOf(text).flatMap((node) => checks.flatMap((check) => check(node)))];
}

const checks: readonly ((node: Node) => string[])[] = [
  nothingOpen,
  extProc,
  extAuthz,
  requestLimit,
  istioProvider,
  istioPolicy,
  gatewayExtProc,
  gatewayExtAuth,
  service,
];

/** Wherever they stand. */
function nothingOpen(node: Node): string[] {
  const wrong = [
    'failure_mode_allow',
    'failOpen',
    'allow_partial_message',
    'allowPartialMessage',
    'observability_mode',
  ];
  return wrong.filter((key) => key in node && node[key] !== false).map((key) => `${key} is not false`);
}

function extProc(node: Node): string[] {
  if (!isType(node, 'ExternalProcessor')) return [];
  const mode = object(node['processing_mode']);
  return wrong({
    'failure_mode_allow must be said': node['failure_mode_allow'] === false,
    status_on_error: object(node['status_on_error'])['code'] === 'ServiceUnavailable',
    message_timeout: seconds(node['message_timeout']) >= waitS,
    request_header_mode: mode['request_header_mode'] === 'SEND',
    request_body_mode: ['BUFFERED', 'FULL_DUPLEX_STREAMED'].includes(String(mode['request_body_mode'])),
    'request trailers': mode['request_body_mode'] !== 'FULL_DUPLEX_STREAMED' || mode['request_trailer_mode'] === 'SEND',
    response_header_mode: mode['response_header_mode'] === 'SEND',
    response_body_mode: mode['response_body_mode'] === 'FULL_DUPLEX_STREAMED',
    'response trailers': mode['response_trailer_mode'] === 'SEND',
  });
}

function extAuthz(node: Node): string[] {
  if (!isType(node, 'ExtAuthz')) return [];
  const body = object(node['with_request_body']);
  return wrong({
    'failure_mode_allow must be said': node['failure_mode_allow'] === false,
    status_on_error: object(node['status_on_error'])['code'] === 'ServiceUnavailable',
    timeout: seconds(object(node['grpc_service'])['timeout']) >= waitS,
    with_request_body: Number(body['max_request_bytes']) >= limits.bodyBytesMax,
    allow_partial_message: body['allow_partial_message'] === false,
    pack_as_bytes: body['pack_as_bytes'] === true,
  });
}

/** The cluster of countersign, of plain Envoy and of Istio. */
function requestLimit(node: Node): string[] {
  const isCluster = node['name'] === 'countersign' && 'load_assignment' in node;
  const isRule = node['kind'] === 'DestinationRule';
  if (!isCluster && !isRule) return [];
  const limit =
    nodesIn(node)
      .map(limitOf)
      .find((value) => value !== null) ?? null;
  return wrong({ 'max requests per connection': isLimit(limit) });
}

function istioProvider(node: Node): string[] {
  if (!('envoyExtAuthzGrpc' in node)) return [];
  const provider = object(node['envoyExtAuthzGrpc']);
  const body = object(provider['includeRequestBodyInCheck']);
  return wrong({
    'failOpen must be said': provider['failOpen'] === false,
    statusOnError: provider['statusOnError'] === '503',
    timeout: seconds(provider['timeout']) >= waitS,
    includeRequestBodyInCheck: Number(body['maxRequestBytes']) >= limits.bodyBytesMax,
    allowPartialMessage: body['allowPartialMessage'] === false,
    packAsBytes: body['packAsBytes'] === true,
  });
}

/** Every request is asked about. */
function istioPolicy(node: Node): string[] {
  const spec = object(node['spec']);
  if (node['kind'] !== 'AuthorizationPolicy' || spec['action'] !== 'CUSTOM') return [];
  return wrong({ rules: JSON.stringify(spec['rules']) === '[{}]' });
}

function gatewayExtProc(node: Node): string[] {
  if (node['kind'] !== 'EnvoyExtensionPolicy') return [];
  return list(object(node['spec'])['extProc']).flatMap((processor) => {
    const mode = object(processor['processingMode']);
    return wrong({
      'failOpen must be said': processor['failOpen'] === false,
      messageTimeout: seconds(processor['messageTimeout']) >= waitS,
      'request body': object(mode['request'])['body'] === 'Buffered',
      'response body': object(mode['response'])['body'] === 'FullDuplexStreamed',
      'request limit': isLimit(limitOf(object(object(processor['backendSettings'])['circuitBreaker']))),
    });
  });
}

function gatewayExtAuth(node: Node): string[] {
  if (node['kind'] !== 'SecurityPolicy') return [];
  const auth = object(object(node['spec'])['extAuth']);
  const settings = object(object(auth['grpc'])['backendSettings']);
  return wrong({
    'failOpen must be said': auth['failOpen'] === false,
    timeout: seconds(auth['timeout']) >= waitS,
    bodyToExtAuth: Number(object(auth['bodyToExtAuth'])['maxRequestBytes']) >= limits.bodyBytesMax,
    'request limit': isLimit(limitOf(object(settings['circuitBreaker']))),
  });
}

function service(node: Node): string[] {
  if (node['kind'] !== 'Service') return [];
  const ports = list(object(node['spec'])['ports']).filter((port) => port['port'] === 9191 || port['port'] === 9192);
  return wrong({
    'two gRPC ports': ports.length === 2,
    appProtocol: ports.every((port) => ['grpc', 'kubernetes.io/h2c'].includes(String(port['appProtocol']))),
  });
}

function kindOf(node: Node): string[] {
  if (isType(node, 'ExternalProcessor') || 'extProc' in node) return ['ext_proc'];
  if (isType(node, 'ExtAuthz') || 'envoyExtAuthzGrpc' in node || 'extAuth' in node) return ['ext_authz'];
  return limitOf(node) === null ? [] : ['request limit'];
}

function limitOf(node: Node): number | null {
  const value = node['max_requests_per_connection'] ?? node['maxRequestsPerConnection'];
  return typeof value === 'number' ? value : null;
}

function isLimit(value: number | null): boolean {
  return value !== null && value > 0 && value <= limits.streamsPerConnectionMax;
}

function isType(node: Node, message: string): boolean {
  const type = node['@type'];
  return typeof type === 'string' && type.endsWith(`.${message}`);
}

function wrong(claims: Readonly<Record<string, boolean>>): string[] {
  return Object.keys(claims).filter((claim) => claims[claim] !== true);
}

/** `60s`; nothing else is written in these files. */
function seconds(value: unknown): number {
  return Number(/^(\d+)s$/.exec(String(value))?.[1] ?? 0);
}

function nodesOf(text: string): Node[] {
  return parseAllDocuments(text).flatMap((document) => nodesIn(document.toJS()));
}

/** Every mapping, at any depth. */
function nodesIn(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  const node = object(value);
  const inner = Object.values(node).flatMap(nodesIn);
  return Object.keys(node).length > 0 ? [node, ...inner] : inner;
}

function object(value: unknown): Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};
}

function list(value: unknown): Node[] {
  return Array.isArray(value) ? value.map(object) : [];
}

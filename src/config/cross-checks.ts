import { isToRequester } from '../approval/notice/route.ts';
import type { TlsClientFiles } from '../audit/tls-client.ts';
import { ruleCountries } from '../detect/countries.ts';
import { admitOwn } from '../detect/own-detection.ts';
import { createRoutableDialects } from '../llm/dialects.ts';
import type { Config, Listener } from './config.ts';
import { ownDetection } from './own-detection.ts';
import { pemComplaints } from './pem-files.ts';
import type { Complaint, SettingPath } from './problem.ts';
import { referenceForms } from './references.ts';

/** What stands at a path of the file system. */
export type FileKind = 'file' | 'directory' | 'missing' | 'unreadable';

/** The files of a machine. */
export interface Machine {
  readonly kindOf: (path: string) => FileKind;
  /** The text of a file of certificates or keys; null: it cannot be read, or is longer than any. */
  readonly readPem: (path: string) => string | null;
}

/** What a schema cannot say: settings against each other, and against the machine. */
export function crossChecks(config: Config, machine: Machine): readonly Complaint[] {
  return [
    ...ports(config),
    ...waits(config),
    ...issuers(config),
    ...audit(config),
    ...requesterNotices(config),
    ...countries(config),
    ...patterns(config),
    ...routes(config),
    ...files(config, machine),
  ];
}

function error(path: SettingPath, message: string, fix: string): Complaint {
  return { severity: 'error', path, message, fix };
}

function warning(path: SettingPath, message: string, fix: string): Complaint {
  return { severity: 'warning', path, message, fix };
}

function ports({ listen, gateways }: Config): Complaint[] {
  const found: Complaint[] = [];
  const entries = [...Object.entries(listen), ...(gateways === null ? [] : [['gateways', gateways.listen] as const])];
  entries.forEach(([name, one], index) => {
    const taken = entries.slice(0, index).find(([, other]) => overlaps(one, other));
    if (taken === undefined) return;
    found.push(
      error(
        name === 'gateways' ? ['gateways', 'listen', 'address'] : ['listen', name, 'address'],
        `has the port of listen.${taken[0]}`,
        'Give each listener a port of its own.',
      ),
    );
  });
  return found;
}

function overlaps(one: Listener, other: Listener): boolean {
  const isWild = (host: string): boolean => host === '0.0.0.0' || host === '::';
  return (
    one.port !== 0 && one.port === other.port && (one.host === other.host || isWild(one.host) || isWild(other.host))
  );
}

/** Time for what happens around the wait: reading, deciding, recording, answering. */
const marginMs = 1_000;

function waits({ approval, envoy }: Config): Complaint[] {
  const { messageTimeoutMs, maxMessageTimeoutMs } = envoy;
  if (approval.maxWaitMs === 0 || approval.maxWaitMs + marginMs <= Math.max(messageTimeoutMs, maxMessageTimeoutMs))
    return [];
  const bound = maxMessageTimeoutMs > messageTimeoutMs ? 'max_message_timeout' : 'message_timeout';
  return [
    error(
      ['approval', 'max_wait'],
      `is not at least ${marginMs / 1000}s below envoy.${bound}: Envoy would give up on a held request`,
      `Wait less, or raise the time-outs in the Envoy configuration and say so in envoy.${bound}.`,
    ),
  ];
}

/** A route that could never write to anybody. */
function requesterNotices({ identity, notices }: Config): Complaint[] {
  if (identity.issuers.some(({ claims }) => (claims.email ?? null) !== null)) return [];
  return notices.routes.flatMap(({ channel }, index) =>
    isToRequester(channel)
      ? [
          error(
            ['notices', 'routes', index, 'email', 'to_requester'],
            'has nobody to write to: no issuer names an address',
            'Name the claim in identity.issuers[].claims.email.',
          ),
        ]
      : [],
  );
}

function issuers({ identity }: Config): Complaint[] {
  const found: Complaint[] = [];
  identity.issuers.forEach(({ issuer, jwks }, index) => {
    if (identity.issuers.findIndex((other) => other.issuer === issuer) < index) {
      found.push(
        error(['identity', 'issuers', index, 'issuer'], 'is there twice', 'Join the two; audiences is a list.'),
      );
    }
    if (jwks.staleMs < jwks.freshMs) {
      found.push(
        error(
          ['identity', 'issuers', index, 'jwks', 'stale'],
          'is shorter than fresh',
          'Keys are fresh first, then stale: make it longer.',
        ),
      );
    }
  });
  return found;
}

/** A code that no rule knows protects nobody, as `UK` for GB would not. */
function countries({ detection }: Config): Complaint[] {
  if (detection.countries === null) return [];
  const unknown = detection.countries.flatMap((code, index) =>
    ruleCountries.includes(code)
      ? []
      : [
          warning(
            ['detection', 'countries', index],
            'is no country that has rules',
            `Those with rules: ${ruleCountries.join(', ')}.`,
          ),
        ],
  );
  if (detection.tier === 'extended') return unknown;
  const path = ['detection', 'countries'];
  return [
    ...unknown,
    warning(path, 'changes nothing: rules of countries are extended ones', 'Set detection.tier to extended.'),
  ];
}

/** What users add to detection is admitted here as it is at start: bounded, tried on its examples and on texts made to cost it much. */
function patterns({ detection }: Config): Complaint[] {
  const admitted = admitOwn(ownDetection(detection));
  if (admitted.ok) return [];
  return admitted.error.map(({ path: [member = '', ...rest], problem }) =>
    error(
      ['detection', ...(member === 'allowed' ? ['allow_patterns', ...rest.slice(1)] : [member, ...rest])],
      rest.includes('examples') || rest.includes('words') ? problem : `cannot be used: ${problem}`,
      'See docs/detection.md; the syntax of patterns is RE2.',
    ),
  );
}

function routes({ routes }: Config): Complaint[] {
  const known = createRoutableDialects().map((dialect) => dialect.id);
  return routes.flatMap(({ dialect }, index) =>
    known.includes(dialect)
      ? []
      : [error(['routes', index, 'dialect'], 'is not the name of a dialect', `Use one of ${known.join(', ')}.`)],
  );
}

/** What counts as six months. */
const sixMonthsMs = 183 * 86_400_000;

function audit({ audit, masking, approval }: Config): Complaint[] {
  const found: Complaint[] = [];
  if (audit.createKeyFile && audit.keyFile !== null) {
    found.push(
      warning(
        ['audit', 'create_key_file'],
        'makes keys that nobody else has a copy of',
        'Good for first steps. In production put the key file there and leave this out.',
      ),
    );
  }
  if (audit.createKeyFile && audit.keyFile === null) {
    found.push(error(['audit', 'create_key_file'], 'has no file to create', 'Name one in audit.key_file.'));
  }
  if (audit.allowsUnrecorded) {
    found.push(
      warning(
        ['audit', 'on_failure'],
        'lets exchanges pass of which nothing is recorded but their number',
        'Leave it out where every exchange has to be on record.',
      ),
    );
  }
  const { metadataMs, bodiesMs, shardsMs, isHighRisk } = audit.retention;
  if (shardsMs !== null && metadataMs === null) {
    found.push(
      error(
        ['audit', 'retention', 'shards'],
        'has no effect: shards go after their records, which are kept for ever',
        'Set audit.retention.metadata, or leave this out.',
      ),
    );
  }
  if (isHighRisk && metadataMs !== null && metadataMs < sixMonthsMs) {
    found.push(
      warning(
        ['audit', 'retention', 'metadata'],
        'is less than the six months that the EU AI Act asks for (Articles 19 and 26(6))',
        'Keep records for 183 days or longer.',
      ),
    );
  }
  if (metadataMs !== null && (bodiesMs === null || bodiesMs > metadataMs)) {
    found.push(
      error(
        ['audit', 'retention', 'bodies'],
        'is longer than metadata, and sealed texts lie in the records that go then',
        'Keep bodies no longer than metadata.',
      ),
    );
  }
  audit.sinks.forEach(({ name, promptBytesMax, target }, index) => {
    if (promptBytesMax === 0) return;
    const { kind } = target.reveal();
    const at: SettingPath = ['audit', 'sinks', index, 'prompt'];
    found.push(
      kind === 'syslog' || kind === 's3'
        ? error(
            at,
            `cannot be carried by ${kind}: ${kind === 's3' ? 'it takes whole sealed segments' : 'its messages are too short'}`,
            'Leave it out, or take another kind of sink.',
          )
        : warning(
            at,
            `has masked prompts leave to ${name}: what detection missed leaves with them, and erasure does not reach the copies`,
            'Leave it out unless the receiver may hold them, and limit what it keeps.',
          ),
    );
  });
  const { required } = audit.witness;
  if (required > audit.witnesses.length) {
    found.push(
      error(
        ['audit', 'witness', 'required'],
        `is ${required}, but there are ${audit.witnesses.length} witnesses: every exchange would be refused`,
        'Name more in audit.witnesses, or require fewer.',
      ),
    );
  } else if (required > 0 && required === audit.witnesses.length) {
    found.push(
      warning(
        ['audit', 'witness', 'required'],
        'is all of them: one that is away has every exchange refused after max_lag',
        'Have more witnesses than are required.',
      ),
    );
  }
  if (masking.key === null && approval.store.kind === 'redis') {
    found.push(
      error(
        ['masking', 'key'],
        'is missing, but a store in Redis means several replicas',
        `Give all replicas the same: ${referenceForms}.`,
      ),
    );
  }
  return found;
}

function files(config: Config, { kindOf, readPem }: Machine): Complaint[] {
  const found: Complaint[] = [];
  const readable = (path: SettingPath, file: string | null): void => {
    if (file === null) return;
    const kind = kindOf(file);
    if (kind === 'file') return;
    const what = kind === 'missing' ? 'does not exist' : kind === 'directory' ? 'is a directory' : 'cannot be read';
    found.push(
      error(
        path,
        `names ${file}, which ${what}`,
        'Put the file there, readable for this user. Relative paths count from this file.',
      ),
    );
  };
  const directory = (path: SettingPath, name: string): void => {
    const kind = kindOf(name);
    if (kind === 'directory' || kind === 'missing') return;
    found.push(
      error(
        path,
        `names ${name}, which is no directory that can be used`,
        'Name a directory; it is made when missing.',
      ),
    );
  };
  const tlsFiles = (path: readonly string[], { tls }: Listener): void => {
    if (tls === null) return;
    readable([...path, 'tls', 'cert_file'], tls.certFile);
    readable([...path, 'tls', 'key_file'], tls.keyFile);
    readable([...path, 'tls', 'client_ca_file'], tls.clientCaFile);
  };
  for (const [name, one] of Object.entries(config.listen)) tlsFiles(['listen', name], one);
  if (config.gateways !== null) tlsFiles(['gateways', 'listen'], config.gateways.listen);
  config.identity.issuers.forEach(({ jwks }, index) => {
    if (jwks.source.kind === 'file') readable(['identity', 'issuers', index, 'jwks', 'file'], jwks.source.path);
  });
  const bundle = kindOf(config.policy.bundle);
  if (bundle !== 'directory') readable(['policy', 'bundle'], config.policy.bundle);
  config.notices.routes.forEach(({ channel }, index) => {
    readable(['notices', 'routes', index, channel.kind, 'ca_file'], channel.caFile);
  });
  directory(['audit', 'sink_directory'], config.audit.sinkDirectory);
  const tlsClientFiles = (path: SettingPath, tls: TlsClientFiles): void => {
    readable([...path, 'ca_file'], tls.caFile);
    readable([...path, 'cert_file'], tls.certFile);
    readable([...path, 'key_file'], tls.keyFile);
    found.push(...pemComplaints(path, tls, readPem));
  };
  config.audit.sinks.forEach(({ target }, index) => {
    const revealed = target.reveal();
    if (!('tls' in revealed) || revealed.tls === null || typeof revealed.tls === 'boolean') return;
    tlsClientFiles(['audit', 'sinks', index, revealed.kind, 'tls'], revealed.tls);
  });
  const { kek } = config.audit;
  if (kek !== null && 'tls' in kek && kek.tls !== null) tlsClientFiles(['audit', 'kek', kek.kind, 'tls'], kek.tls);
  directory(['notices', 'directory'], config.notices.directory);
  const { store } = config.approval;
  if (store.kind === 'embedded') directory(['approval', 'store', 'embedded', 'directory'], store.directory);
  directory(['audit', 'directory'], config.audit.directory);
  if (!config.audit.createKeyFile) readable(['audit', 'key_file'], config.audit.keyFile);
  config.audit.previousKeyFiles.forEach((file, index) => {
    readable(['audit', 'previous_key_files', index], file);
  });
  return found;
}

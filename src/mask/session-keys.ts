import { hkdfSync } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { limits } from '../lib/limits.ts';
import { createMinter } from './placeholder.ts';

/** A secret by which values are masked from some time on, until the next one's time has come. */
export interface EpochKey {
  /** Names it in files and logs; says nothing about the secret. */
  readonly id: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
  /** Wall clock, milliseconds. */
  readonly fromMs: number;
}

/** What a session's placeholders are keyed with. */
export interface PlaceholderKey {
  readonly id: string;
  readonly key: Uint8Array;
  /** Of the other epochs: what they key is still known for ours, and left alone. */
  readonly others: readonly Uint8Array[];
}

/**
 * Which key a session is masked with. A session keeps the key that it began with, so that a rotation changes nothing in it: here for as
 * long as this process remembers it (`limits.maskingSessionsMax`, the latest used ones), and elsewhere, in a replica or after a
 * restart, when its texts carry a placeholder of that key. All others get the key of the time.
 */
export interface SessionKeys {
  /** `scope` is what placeholders mean something in; `texts` what the session says, looked at when it is new here. */
  of(tenant: string, scope: string, texts: readonly string[]): PlaceholderKey;
  /** All of a tenant's keys, the latest first: one of them wrote each placeholder that this service still knows. */
  all(tenant: string): readonly Uint8Array[];
}

export interface SessionKeyRing extends SessionKeys {
  /** Takes these in the place of those before. A session whose key is no longer among them gets the key of the time. */
  replace(epochs: readonly [EpochKey, ...EpochKey[]]): void;
  /** The key of the time. */
  currentId(): string;
}

export interface SessionKeysDeps {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Names that the detector can report. */
  readonly entities: ReadonlySet<string>;
}

export function createSessionKeys(
  { clock, entities }: SessionKeysDeps,
  epochs: readonly [EpochKey, ...EpochKey[]],
): SessionKeyRing {
  let ring = latestFirst(epochs);
  /** By scope, the id of the session's epoch; the least lately used first. */
  const sessions = new Map<string, string>();
  let derived = createTenantKeys();

  function current(): EpochKey {
    const now = clock.nowMs();
    // Before the first one's time there is nothing better than the first one.
    return ring.find(({ fromMs }) => fromMs <= now) ?? ring.at(-1) ?? ring[0];
  }

  function epochOf(tenant: string, scope: string, texts: readonly string[]): EpochKey {
    const known = sessions.get(scope);
    const kept = ring.find(({ id }) => id === known);
    return kept ?? (ring.length === 1 ? ring[0] : (spokenBefore(tenant, scope, texts) ?? current()));
  }

  /** The epoch of the latest key that the texts carry a placeholder of. */
  function spokenBefore(tenant: string, scope: string, texts: readonly string[]): EpochKey | null {
    const words = wordsLikePlaceholders(texts);
    if (words.length === 0) return null;
    const spoken = ring.find((epoch) => {
      const minter = createMinter({ key: derived.of(epoch, tenant), scope, entities });
      return words.some((word) => minter.covers(word, 0, word.length));
    });
    return spoken ?? null;
  }

  function remember(scope: string, id: string): void {
    sessions.delete(scope);
    sessions.set(scope, id);
    if (sessions.size <= limits.maskingSessionsMax) return;
    const [oldest] = sessions.keys();
    if (oldest !== undefined) sessions.delete(oldest);
  }

  return {
    of: (tenant, scope, texts) => {
      const epoch = epochOf(tenant, scope, texts);
      remember(scope, epoch.id);
      return {
        id: epoch.id,
        key: derived.of(epoch, tenant),
        others: ring.filter((other) => other !== epoch).map((other) => derived.of(other, tenant)),
      };
    },
    all: (tenant) => ring.map((epoch) => derived.of(epoch, tenant)),
    replace: (replacing) => {
      ring = latestFirst(replacing);
      derived = createTenantKeys();
    },
    currentId: () => current().id,
  };
}

function latestFirst(epochs: readonly [EpochKey, ...EpochKey[]]): readonly [EpochKey, ...EpochKey[]] {
  const [first, ...rest] = [...epochs].sort((a, b) => b.fromMs - a.fromMs || (a.id < b.id ? 1 : -1));
  return [first ?? epochs[0], ...rest];
}

interface TenantKeys {
  of(epoch: EpochKey, tenant: string): Uint8Array;
}

/**
 * HKDF (RFC 5869) of an epoch's secret: no tenant's placeholders can be worked out with the key of another. Every exchange asks, and
 * tenants are few: the keys of the latest ones are kept (`limits.maskingTenantsMax`).
 */
function createTenantKeys(): TenantKeys {
  const kept = new Map<string, Uint8Array>();
  return {
    of: ({ id, secret }, tenant) => {
      const name = `${id}\0${tenant}`;
      const known = kept.get(name);
      if (known) return known;
      const key = new Uint8Array(hkdfSync('sha256', secret, '', `countersign/v1/placeholder\0${tenant}`, 32));
      if (kept.size >= limits.maskingTenantsMax) kept.clear();
      kept.set(name, key);
      return key;
    },
  };
}

/** Texts are looked at for placeholders only so far: a session that has them has one early. */
const wordsMax = 64;

function wordsLikePlaceholders(texts: readonly string[]): string[] {
  const words = new Set<string>();
  for (const text of texts) {
    for (const [word] of text.matchAll(/[A-Z][A-Z0-9_]{0,63}_[0-9A-HJKMNP-TV-Z]{10}(?![0-9A-Za-z_])/g)) {
      words.add(word);
      if (words.size >= wordsMax) return [...words];
    }
  }
  return [...words];
}

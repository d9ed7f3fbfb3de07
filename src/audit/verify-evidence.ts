import { member } from './verify-json.ts';
import { parseSignedCheckpoint } from './verify-note.ts';
import { logOfShard } from './verify-place.ts';
import { sha256 } from './verify-problems.ts';
import { type ProofReport, parseTlogProof, verifyProof } from './verify-proof.ts';
import { judge, type TrustPolicy } from './verify-trust.ts';

/** A proof, and what lies beside it. */
export interface Evidence {
  readonly proof: string;
  /** The manifest and the sealed part by themselves; null: they are not there. */
  readonly manifest: Buffer | null;
  readonly sealed: Buffer | null;
}

/** What a proof shows; `report` is null when it is none. Empty `problems`: it holds, with all that lies beside it. */
export interface EvidenceReport {
  readonly report: ProofReport | null;
  /**
   * The record lies between two times of witnesses' clocks, seconds: behind a beacon of the same log that is proved as well, and under a
   * checkpoint that they have cosigned. Null: nothing says so.
   */
  readonly writtenAfterS: number | null;
  readonly existedBeforeS: number | null;
  readonly problems: readonly string[];
}

/** Checks proofs by `policy`, what lies beside them by the manifests that they prove, and lets proved beacons speak for the others. */
export function checkEvidence(evidence: readonly Evidence[], policy: TrustPolicy): EvidenceReport[] {
  const checked = evidence.map((each) => ({ ...each, ...checkedProof(each, policy) }));
  const beacons = checked.flatMap(({ report, problems }) =>
    report === null || problems.length > 0 ? [] : beaconOf(report, policy),
  );
  return checked.map(({ report, problems }) => {
    const isProved = report !== null && problems.length === 0;
    const before = isProved ? report.witnesses.map(({ timeS }) => timeS) : [];
    const after = isProved
      ? beacons
          .filter(({ origin, index }) => origin === report.proof.checkpoint.origin && index < report.proof.index)
          .map(({ timeS }) => timeS)
      : [];
    return {
      report,
      problems,
      writtenAfterS: after.length === 0 ? null : Math.max(...after),
      existedBeforeS: before.length === 0 ? null : Math.min(...before),
    };
  });
}

function checkedProof(
  { proof, manifest, sealed }: Evidence,
  policy: TrustPolicy,
): { readonly report: ProofReport | null; readonly problems: readonly string[] } {
  const parsed = parseTlogProof(proof);
  if (typeof parsed === 'string') return { report: null, problems: [parsed] };
  const report = verifyProof(parsed, policy);
  const problems = [...report.problems];
  if (manifest !== null && !manifest.equals(parsed.extra)) {
    problems.push('the manifest beside it is not the one that it proves');
  }
  if (sealed !== null && sha256(sealed).toString('base64url') !== member(member(report.manifest, 'bodies'), 'ct')) {
    problems.push('the sealed bytes beside it are not those that the manifest commits to');
  }
  return { report, problems };
}

/** When the checkpoint that a beacon brings was cosigned: what stands behind the beacon was written later. */
function beaconOf(
  { proof, manifest }: ProofReport,
  policy: TrustPolicy,
): { readonly origin: string; readonly index: number; readonly timeS: number }[] {
  const { origin } = proof.checkpoint;
  if (member(manifest, 'kind') !== 'beacon') return [];
  const checkpoint = parseSignedCheckpoint(String(member(member(manifest, 'facts'), 'checkpoint')));
  if (typeof checkpoint === 'string' || logOfShard(checkpoint.origin) !== logOfShard(origin)) return [];
  const { hasQuorum, witnesses } = judge(checkpoint, policy);
  // The latest of those who vouch: each alone has seen the checkpoint at its time, and the beacon holds what they signed.
  return !hasQuorum || witnesses.length === 0
    ? []
    : [{ origin, index: proof.index, timeS: Math.max(...witnesses.map(({ timeS }) => timeS)) }];
}

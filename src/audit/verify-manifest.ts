import { member } from './verify-json.ts';
import { type ProblemList, sha256 } from './verify-problems.ts';

/** A record's manifest and its sealed bytes, by the lengths that stand before them; null: the frame holds no record. */
export function recordIn(payload: Buffer): { readonly manifest: Buffer; readonly sealed: Buffer } | null {
  const manifestEnd = payload.length < 8 ? -1 : 4 + payload.readUInt32LE(0);
  const isRecord =
    manifestEnd > 0 &&
    manifestEnd + 4 <= payload.length &&
    manifestEnd + 4 + payload.readUInt32LE(manifestEnd) === payload.length;
  return isRecord ? { manifest: payload.subarray(4, manifestEnd), sealed: payload.subarray(manifestEnd + 4) } : null;
}

/** The published form of a record: `c` commits to the exact manifest bytes. */
export function leafOf(bytes: Buffer, manifest: object): Buffer {
  const commitment = sha256(Buffer.concat([Buffer.from('countersign/v1/manifest\0'), bytes])).toString('base64url');
  return Buffer.from(
    `{"c":"${commitment}","i":"${String(member(manifest, 'id'))}","k":"${String(member(manifest, 'kind'))}","v":1}`,
  );
}

/** Whether the sealed bytes are those that the manifest commits to. */
export function checkSealed(manifest: object, sealed: Buffer, place: string, problems: ProblemList): void {
  const bodies = member(manifest, 'bodies');
  const parts = member(bodies, 'parts');
  const lengths = Object.values(typeof parts === 'object' && parts !== null ? parts : {}).map((part) =>
    Number(member(part, 'n')),
  );
  const want = lengths.length === 0 ? 0 : lengths.reduce((sum, length) => sum + 32 + length, 60 + 16);
  if (sealed.length !== want)
    problems.add('bodies', place, `${sealed.length} sealed bytes where the manifest says ${want}`);
  else if (want > 0 && sha256(sealed).toString('base64url') !== member(bodies, 'ct')) {
    problems.add('bodies', place, 'the sealed bytes are not those that the manifest commits to');
  }
}

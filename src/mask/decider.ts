import type { Detector, StreamFinding, StreamScan } from '../detect/finding.ts';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { isMaskedAlready, maskValue } from './methods.ts';
import { isOwnMask } from './own-mask.ts';
import { keyedCharsMax, type Minter } from './placeholder.ts';
import { isKeyedMethod, type MaskPlan } from './plan.ts';
import type { Tally } from './tally.ts';
import { contextChars, createTextWindow } from './text-window.ts';

/** What every masker of an exchange shares. */
export interface Masking {
  readonly detector: Detector;
  readonly plan: MaskPlan;
  readonly minter: Minter;
  readonly tally: Tally;
}

/** Decides about one running text, piece by piece: what of it is a value to be masked, and up to where that is certain. */
export interface Decider {
  push(piece: string): void;
  /** No more text will come (as far as is known): everything is decided. Text that comes nevertheless is read on from there. */
  close(): void;
  /** Every character before this offset is decided: masked by a call of `onMasked` that was made, or to be left. */
  decided(): number;
}

/** Called in order, without overlaps. `replacement` is '' for a further piece of a value that was masked before. */
export type OnMasked = (start: number, end: number, replacement: string) => void;

export function createDecider(masking: Masking, role: string, onMasked: OnMasked): Decider {
  const { detector, plan, minter, tally } = masking;
  const window = createTextWindow();
  let scanner = detector.openStream();
  let scannerStart = 0;
  let scanned = 0;
  let isClosed = false;
  /** Everything before was decided when the text was closed, and may have gone out. */
  let closedAt = 0;
  let isValueMasked = false;
  let waiting: StreamFinding[] = [];

  function accept(scan: StreamScan): void {
    for (const found of scan.findings) {
      const end = found.end + scannerStart;
      if (end > closedAt) waiting.push({ ...found, start: found.start + scannerStart, end });
    }
    scanned = Math.max(closedAt, scan.decided + scannerStart);
    if (waiting.length > 0) settle();
    window.forget(decided());
  }

  /** Decides the findings that wait, in order, up to the first of which too little is known yet. */
  function settle(): void {
    let settled = 0;
    while (settled < waiting.length) {
      const used = settleValue(settled);
      if (used === 0) break;
      settled += used;
    }
    if (settled > 0) waiting = waiting.slice(settled);
    if (tally.total() > limits.findingsMax) throw new Fault('masking_failed', 'too many findings in one stream');
  }

  /** Decides the value that begins with `waiting[first]`: how many findings (pieces) that used up; 0: not yet. */
  function settleValue(first: number): number {
    const finding = waiting[first];
    if (finding === undefined) return 0;
    const start = Math.max(finding.start, closedAt);
    if (finding.continuation) {
      if (isValueMasked) onMasked(start, finding.end, '');
      return 1;
    }
    const base = window.base();
    const place = isOwnMask(window.text(), finding.start - base, finding.end - base, isClosed, minter);
    if (place === 'open') return 0;
    let method = place === 'ours' ? null : plan.methodFor(finding, role);
    let pieces = 1;
    let end = finding.end;
    if (isKeyedMethod(method)) {
      // The same value must be keyed the same wherever its pieces were cut: collect as much of it as is keyed.
      for (let next = waiting[first + 1]; next?.continuation; next = waiting[first + pieces]) {
        end = next.end;
        pieces++;
      }
      const isWhole = isClosed || scanned > end || first + pieces < waiting.length;
      if (!isWhole && end - finding.start < keyedCharsMax) return 0;
    }
    // Of a value that is left as it is, the beginning may be out and forgotten.
    const isMasked = place === 'ours' || (method !== null && isMaskedAlready(method, window.slice(finding.start, end)));
    if (isMasked) method = null;
    else tally.add(finding.entity, method);
    isValueMasked = method !== null;
    if (method !== null) {
      const value = window.slice(finding.start, end);
      onMasked(start, end, maskValue(method, finding.entity, value, minter, plan.keepFor(finding, role)));
    }
    return pieces;
  }

  /** The sender closed this text too early. The new scanner reads the end of the old text again, so that no value is cut in two. */
  function reopen(): void {
    isClosed = false;
    closedAt = window.length();
    scannerStart = Math.max(window.base(), closedAt - contextChars);
    scanner = detector.openStream();
    accept(scanner.push(window.slice(scannerStart, closedAt)));
  }

  function decided(): number {
    // A plan that masks nothing holds nothing back; findings are counted all the same.
    if (plan.isEmpty) return window.length();
    const first = waiting[0];
    return first === undefined ? scanned : Math.min(scanned, Math.max(first.start, closedAt));
  }

  return {
    push: (piece) => {
      if (isClosed) reopen();
      window.append(piece);
      accept(scanner.push(piece));
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      accept(scanner.close());
    },
    decided,
  };
}

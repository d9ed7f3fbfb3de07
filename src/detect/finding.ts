/** One sensitive value in one text. Never carries the value itself. Offsets are UTF-16 code units, end exclusive. */
export interface Finding {
  /** Presidio's names where they exist (CREDIT_CARD, US_SSN, EMAIL_ADDRESS, IBAN_CODE, …); credentials begin SECRET_. */
  readonly entity: string;
  /** Id of the rule that fired. */
  readonly detector: string;
  readonly start: number;
  readonly end: number;
  /** 0 to 1. */
  readonly score: number;
}

/** Findings of a text, sorted by start, free of overlaps. */
export interface Scan {
  readonly findings: readonly Finding[];
}

/**
 * Finds what is sensitive in a text. Pure, synchronous, linear in the text's length; throws Fault `detection_failed`
 * when a bound is hit, so that the exchange fails closed. One instance serves all exchanges: it keeps no state.
 */
export interface Detector {
  /** Hash of all rules and settings, for the record. */
  readonly revision: string;
  scan(text: string): Scan;
  /** A scanner for one running text that arrives in pieces. Any cutting into pieces yields what `scan` yields on the whole. */
  openStream(): StreamScanner;
}

export interface StreamScanner {
  /** Takes the next piece. */
  push(piece: string): StreamScan;
  /** No more text will come: everything is decided. */
  close(): StreamScan;
}

export interface StreamScan {
  /** Newly decided findings, in order. Offsets count from the start of the running text. */
  readonly findings: readonly StreamFinding[];
  /** Every character before this offset is decided: it is part of a reported finding, or of none, whatever comes. */
  readonly decided: number;
}

export interface StreamFinding extends Finding {
  /** True for a further piece of a value whose first piece was reported before (a token longer than any window). */
  readonly continuation: boolean;
}

export interface FileLogLimits {
  /** An append that is not durable after this rejects, and the log is unavailable until it has been opened anew. */
  readonly deadlineMs: number;
  /** Entries that wait to become durable. Beyond: Fault at once. */
  readonly queueBytesMax: number;
  readonly segmentBytesMax: number;
  readonly openIntentsMax: number;
  readonly checkpointIntervalMs: number;
  readonly freeBytesMin: number;
  readonly checkIntervalMs: number;
  /** First wait before a failed log is opened anew; doubles up to thirty times as much. */
  readonly reopenMs: number;
  /** A lock whose holder cannot be seen is taken over when untouched for this long. */
  readonly lockStaleMs: number;
  /** Ballast is taken so long after the log was opened: what runs for a moment leaves none behind. */
  readonly ballastAfterMs: number;
}

export const fileLogLimits: FileLogLimits = {
  deadlineMs: 5_000,
  queueBytesMax: 64 * 1024 * 1024,
  segmentBytesMax: 128 * 1024 * 1024,
  openIntentsMax: 65_536,
  checkpointIntervalMs: 1_000,
  freeBytesMin: 1024 * 1024 * 1024,
  checkIntervalMs: 1_000,
  reopenMs: 1_000,
  lockStaleMs: 15_000,
  ballastAfterMs: 60_000,
};

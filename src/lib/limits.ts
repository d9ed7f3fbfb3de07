/** Every bound of the hot path, in one place. Reaching one is a named outcome with a test, never a crash. */
export const limits = {
  /** A request or response body, decoded. Envoy's own buffer limit should be a little above. */
  bodyBytesMax: 16_777_216,
  /** Decompression stops when the output passes this many times the input (and bodyBytesMax in any case). */
  inflateRatioMax: 200,
  jsonDepthMax: 256,
  jsonValuesMax: 500_000,
  /** Texts of one JSON body: detection and policy look at each. */
  bodyTextsMax: 65_536,
  /** Texts of one form: fields, names of files, lines of a file of JSON lines. */
  formTextsMax: 65_536,
  /** The headers of one part of a form. */
  formHeadBytesMax: 65_536,
  /** JSON inside a JSON string inside a JSON string … */
  nestedJsonDepthMax: 4,
  /** One event of a stream: an SSE event, an NDJSON line. Some carry a whole picture. */
  eventBytesMax: 8_388_608,
  /** Events of one stream that wait behind a held text. */
  eventsHeldMax: 16_384,
  /** Bytes of one stream that wait behind a held text. */
  streamHeldBytesMax: 8_388_608,
  /** Running texts (choice, block, tool call) of one stream. */
  streamKeysMax: 1024,
  findingsMax: 10_000,
  /** Texts whose findings of an external recogniser are remembered, exchanges' texts that wait for a turn, and bounds of its answers. */
  recognisedTextsMax: 4_096,
  recogniserWaitersMax: 1_024,
  recogniserAnswerBytesMax: 4_194_304,
  recogniserFindingsMax: 2_000,
  /** Sessions whose masking key this process remembers; the least lately used ones are forgotten first. */
  maskingSessionsMax: 65_536,
  /** Tenants whose masking keys, and callers whose pseudonyms are kept once they are worked out. */
  maskingTenantsMax: 1_024,
  pseudonymsMax: 4_096,
  /** Masking keys in use at one time, the retired ones included, and the bytes of the file that they stand in. */
  maskingKeysMax: 16,
  maskingKeyFileBytesMax: 65_536,
  /** A run of base64 that is decoded for a second look, and one stretch of text with escapes in it. */
  decodedRunCharsMax: 16_384,
  unescapedCharsMax: 4_096,
  /** Patterns from configuration, and the length of one. */
  customPatternsMax: 256,
  customPatternCharsMax: 2_048,
  /** A match of such a pattern ends here, whatever its quantifiers say; a stream never holds back more for it. */
  customMatchCharsMax: 256,
  /** Entries of one list of words, and the length of one. */
  dictionaryWordsMax: 100_000,
  dictionaryCharsMax: 128,
  /** Lists of words, and entries of the lists of what is allowed. */
  dictionariesMax: 32,
  allowedMax: 10_000,
  /** Steps a character that such a pattern may take on texts made to cost it much. */
  customStepsMax: 64,
  /** States of the automaton that such a pattern becomes. */
  customStatesMax: 4_096,
  /** A gRPC message from Envoy: a buffered body with its framing. */
  grpcMessageBytesMax: 25_165_824,
  /** Streams on one HTTP/2 connection before GOAWAY asks Envoy for a new one; Node closes a connection after 1,000 resets. */
  streamsPerConnectionMax: 500,
  headerValueBytesMax: 16_384,
  /** An identity token. */
  tokenBytesMax: 16_384,
  /** Verified tokens that are remembered; the oldest are verified again. */
  tokensCachedMax: 4_096,
  /** An answer of a key management service. */
  keyServiceReplyBytesMax: 65_536,
  /** Records looked at for one page of a list of them, and given in one. */
  auditScannedMax: 2_000,
  auditPageMax: 200,
  /** Of an answer in flight at most so much, or so long, is not kept yet; and when a file of such parts is followed by another. */
  answerPartBytesMax: 65_536,
  answerPartMs: 1_000,
  answerPartFileBytesMax: 16_777_216,
  /** Logs that are read as one, and how many folders deep they may lie. */
  auditLogsMax: 256,
  auditLogsDepthMax: 4,
  /** Exchanges under way that passed without a record (`audit.on_failure: allow`). */
  auditUnrecordedMax: 10_000,
  /** Bytes kept for the log's last records, on a disk that somebody else fills. */
  auditBallastBytes: 67_108_864,
  /** Shards of one log; it stays in the last of them. */
  auditShardsMax: 9_000,
  /** Keys of data subjects that stay in memory. */
  subjectKeysCachedMax: 10_000,
  /** An issuer's key set, as JSON. */
  jwksBytesMax: 1_048_576,
  jwksKeysMax: 100,
  /** Keys tried for one token that names none. */
  keyCandidatesMax: 4,
  /** Log lines that wait for a slow reader of standard output. */
  logBufferBytesMax: 4_194_304,
  /** Values of one metric label; further ones are counted as `other`. */
  metricLabelsMax: 256,
  maskedViewCharsMax: 16_384,
  /** Values of one request that its answer may get back, and the length of one; further and longer ones stay placeholders. */
  restorableValuesMax: 1_024,
  restorableCharsMax: 4_096,
  /** Characters put back in one answer; what comes after stays a placeholder. */
  restoredCharsMax: 4_194_304,
  reasonCharsMax: 1_000,
  /** A held request's life, and a grant's. */
  approvalTtlSecondsMax: 2_592_000,
  /** How long a request may wait in-band for people. */
  holdWaitSecondsMax: 3600,
  /** Requests of one process that wait in-band at the same time; one more is answered `approval_pending` at once. */
  holdWaitersMax: 10_000,
  grantUsesMax: 1_000_000,
  /** Attempts of one approval transition that keeps losing its race. */
  approvalAttemptsMax: 64,
  /** Approvals looked at for one page of a list. */
  approvalsScannedMax: 2_000,
  approvalPageMax: 200,
  /** How long the request id of a deciding call is remembered, and how long it may be. */
  requestKeySecondsMin: 86_400,
  requestIdCharsMax: 128,
  /** Approvals of one batch decision. */
  approvalBatchMax: 100,
  /** Callers of the API whose rate is remembered; the ones that were silent longest are forgotten. */
  apiCallersMax: 10_000,
  /** Due, orphaned or outlived approvals handled by one sweep. */
  approvalsSweptMax: 500,
  /** Calls to the approval store that are under way at the same time; one more is `approval_unavailable`. */
  storeCallsMax: 2_048,
  /** Watch streams of one process, the changes queued for one of them, and how long one may last. */
  approvalWatchersMax: 256,
  approvalWatchQueueMax: 1_024,
  approvalWatchSecondsMax: 900,
  /** Notices that wait, and notices that were given up; one more is dropped, and of the dead the oldest goes. */
  noticesKeptMax: 10_000,
  /** Notices that are being delivered at the same time, in all and for one route. */
  noticesUnderWayMax: 16,
  noticesUnderWayPerRouteMax: 4,
  noticeRoutesMax: 64,
  /** How many notices one requester is written, at once and in the long run; one more is dropped. Remembered of so many requesters. */
  noticesToOneAtOnceMax: 20,
  noticesToOnePerHourMax: 60,
  noticeRequestersMax: 10_000,
  /** How long a transition waits for its notice to be durable, and how long one delivery may take. */
  noticeKeepMs: 1_000,
  noticeDeliveryMs: 10_000,
  /** A policy bundle, unpacked. */
  policyBundleBytesMax: 67_108_864,
  /** Memory of one policy evaluation; a multiple of 64 KiB. */
  policyMemoryBytesMax: 268_435_456,
  /** WebAssembly memory never shrinks: an instance that has grown beyond this is replaced after the evaluation. */
  policyMemoryKeptBytesMax: 33_554_432,
  /** Characters of a question that policy answers at once; a larger one goes to a thread, in pieces of so many. */
  policyTurnChars: 131_072,
  /** How long that thread may take for one question, and how long it waits for the next. */
  policyThreadMs: 15_000,
  policyThreadIdleMs: 30_000,
  /** Large questions that wait for that thread, the one under way included; one more is `policy_failed`. */
  policyQuestionsMax: 64,
  /** Intents that a sink remembers until their outcome comes; without them an outcome tells less of its exchange. */
  sinkIntentsMax: 8_192,
  /** Intents whose place a replay remembers until their outcome comes. */
  replayIntentsMax: 262_144,
  /** What is read of a receiver's answer. */
  sinkAnswerBytesMax: 4_194_304,
  /** Batches on their way to a receiver at a time while a sink catches up; and to one that speaks only seconds after it has them. */
  sinkBatchesMax: 4,
  sinkAcksMax: 16,
  /** Events that a syslog connection may have lost and that are sent again over the next one. */
  syslogWindowEventsMax: 1_000,
} as const;

import fc from 'fast-check';

/**
 * Properties draw the same values in every run of the tests, so that a change is judged by what it changed. `npm run fuzz` draws anew,
 * for as long as it is told, by setting COUNTERSIGN_SEED; what it finds becomes a case of its own.
 */
fc.configureGlobal({ seed: Number(process.env['COUNTERSIGN_SEED'] ?? 1) });

import { join } from 'node:path';
import type { Absence } from './verify-absence.ts';
import { type ProblemList, readOptional, sha256 } from './verify-problems.ts';

/** The keys that a log's records name, against those that are there: what is missing MUST be on record as destroyed. */
export interface NamedKeys {
  readonly epochs: ReadonlySet<string>;
  readonly subjects: ReadonlySet<string>;
}

/** Returns the key files that are there although the record says that they were destroyed. */
export async function checkKeys(
  directory: string,
  { epochs, subjects }: NamedKeys,
  absence: Absence,
  problems: ProblemList,
): Promise<string[]> {
  return [
    ...(await checkEpochs(directory, epochs, absence, problems)),
    ...(await checkSubjects(directory, subjects, absence, problems)),
  ];
}

/** An epoch is named by its key file's hash. A missing file makes its records unreadable: a record must say so. */
async function checkEpochs(
  directory: string,
  epochs: ReadonlySet<string>,
  absence: Absence,
  problems: ProblemList,
): Promise<string[]> {
  const overdue: string[] = [];
  for (const epoch of epochs) {
    const place = `epochs/${epoch}.json`;
    const match = /^e-[0-9T-]{13}-([0-9a-f]{24})$/.exec(epoch);
    const bytes = match === null ? null : await readOptional(join(directory, place));
    if (bytes === null) {
      if (absence.isDestroyed(epoch)) continue;
      problems.add('bodies', place, 'the key of this epoch is missing, and no record says why');
    } else if (sha256(bytes).toString('hex').slice(0, 24) !== match?.[1]) {
      problems.add('bodies', place, 'the key file is not the one that the records name');
    } else if (absence.isDestroyed(epoch)) overdue.push(place);
  }
  return overdue;
}

/** Likewise the key of a data subject, but that another may have come in its place. */
async function checkSubjects(
  directory: string,
  subjects: ReadonlySet<string>,
  absence: Absence,
  problems: ProblemList,
): Promise<string[]> {
  const overdue: string[] = [];
  for (const id of subjects) {
    const match = /^s-([0-9a-f]{32})-([0-9a-f]{24})$/.exec(id);
    const subject = match?.[1] ?? '';
    const place = `subjects/${subject.slice(0, 2)}/${subject}.json`;
    const bytes = match === null ? null : await readOptional(join(directory, place));
    const isThere = bytes !== null && sha256(bytes).toString('hex').slice(0, 24) === match?.[2];
    if (isThere && absence.isDestroyed(id)) overdue.push(place);
    if (isThere || absence.isDestroyed(id)) continue;
    const what = bytes === null ? 'is missing' : 'is another one';
    problems.add('bodies', place, `the key of a data subject ${what}, and no record says why`);
  }
  return overdue;
}

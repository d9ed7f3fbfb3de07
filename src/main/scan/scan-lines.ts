import type { Detector, Finding } from '../../detect/finding.ts';
import { Fault } from '../../lib/fault.ts';
import type { JsonValue } from '../../lib/json.ts';
import { type ReadLine, readLine } from './jsonl.ts';
import { lineBatches } from './lines.ts';
import type { Sink } from './sink.ts';

export interface LineTotals {
  texts: number;
  findings: number;
  bytes: number;
  /** Lines that could not be read. */
  bad: number;
}

/** Longest line that is read, bytes. */
const lineBytesMax = 67_108_864;

/**
 * Answers each line of input with one line of output, in order; blank lines are passed over. `answer` makes of a text the members
 * that follow its id. A line that cannot be read is answered with `{"id", "line", "error"}` and told to `warn`, and the next one is
 * read: nothing is lost, and nothing waits for the end of the input.
 */
export async function answerLines(
  input: AsyncIterable<Buffer>,
  sink: Sink,
  answer: (text: string, totals: LineTotals) => string,
  warn: (line: string) => void,
): Promise<LineTotals> {
  const totals: LineTotals = { texts: 0, findings: 0, bytes: 0, bad: 0 };

  function answerLine(read: ReadLine, number: number): string {
    if (read.kind === 'blank') return '';
    if (read.kind === 'bad') return refuse(number, read.id, read.problem);
    const { id, text } = read.given;
    totals.texts += 1;
    totals.bytes += Buffer.byteLength(text);
    try {
      return `{"id":${JSON.stringify(id)},${answer(text, totals)}}\n`;
    } catch (thrown) {
      return refuse(number, id, `could not be looked at: ${Fault.from(thrown).message}`);
    }
  }

  function refuse(number: number, id: JsonValue, problem: string): string {
    totals.bad += 1;
    warn(`error: line ${number} ${problem}`);
    return `${JSON.stringify({ id, line: number, error: problem })}\n`;
  }

  for await (const batch of lineBatches(input, lineBytesMax)) {
    let out = '';
    for (const line of batch) {
      out += answerLine(readLine(line), line.number);
      if (out.length < outputChars) continue;
      await sink.write(out);
      out = '';
    }
    await sink.write(out);
    if (sink.isClosed()) break;
  }
  return totals;
}

/** Output is written in pieces of about this size, and whenever the input pauses. */
const outputChars = 65_536;

/** `"findings":[…]`, with offsets in UTF-16 code units. */
export function findingsMember(text: string, findings: readonly Finding[], isShowingValues: boolean): string {
  const list = findings.map(({ entity, detector, start, end, score }) => ({
    entity,
    detector,
    start,
    end,
    score,
    ...(isShowingValues ? { value: text.slice(start, end) } : {}),
  }));
  return `"findings":${JSON.stringify(list)}`;
}

/** Findings that are sure enough. */
export function atLeast(findings: ReturnType<Detector['scan']>['findings'], score: number): readonly Finding[] {
  return score === 0 ? findings : findings.filter((finding) => finding.score >= score);
}

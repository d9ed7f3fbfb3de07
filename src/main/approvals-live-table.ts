import { type Approval, State } from '../gen/countersign/approval/v1/approval.ts';
import { stateName } from './approval-json.ts';
import { person, short } from './approvals-view.ts';
import { printable } from './output.ts';
import { fitWidth, padWidth, textWidth } from './text-width.ts';

/** The part of a terminal that is drawn on. */
export interface Screen {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

export interface LiveTable {
  approval(approval: Approval): void;
  anew(): void;
  synced(): void;
  away(why: string | null): void;
  draw(): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

/** Approvals that are kept for drawing; the newest. */
const keptMax = 1_000;
/** How long what is over stays in sight. */
const lingerMs = 60_000;

/**
 * A table that stands still while its rows change: what waits for people first, oldest first, then what was decided in the last
 * minute. On the alternate screen, so that the terminal's own content comes back at the end.
 */
export function createLiveTable(screen: Screen, nowMs: () => number): LiveTable {
  const rows = new Map<string, { readonly approval: Approval; readonly seenMs: number }>();
  let fresh: Set<string> | null = null;
  let isComplete = false;
  let problem: string | null = null;
  screen.write('\u001b[?1049h\u001b[?25l');

  const draw = (): void => {
    const { columns = 80, rows: height = 24 } = screen;
    const now = nowMs();
    for (const [id, { approval, seenMs }] of rows) {
      if (isOver(approval) && now - seenMs > lingerMs) rows.delete(id);
    }
    const lines = frame(
      [...rows.values()].map(({ approval }) => approval),
      now,
      { isComplete, problem, columns },
    );
    const drawn = lines.slice(0, height).map((line) => `${fitWidth(line, columns)}\u001b[K`);
    screen.write(`\u001b[H${drawn.join('\r\n')}\u001b[J`);
  };

  return {
    draw,
    approval: (approval) => {
      fresh?.add(approval.id);
      const known = rows.get(approval.id);
      if (known !== undefined && known.approval.version > approval.version) return;
      // What was over before we looked is no news.
      if (known === undefined && !isComplete && isOver(approval)) return;
      rows.set(approval.id, { approval, seenMs: nowMs() });
      for (const id of rows.keys()) if (rows.size > keptMax) rows.delete(id);
      // The beginning is drawn once it is complete, or at the next tick.
      if (isComplete) draw();
    },
    anew: () => {
      fresh = new Set();
      isComplete = false;
    },
    synced: () => {
      for (const id of rows.keys()) if (fresh !== null && !fresh.has(id)) rows.delete(id);
      fresh = null;
      isComplete = true;
      draw();
    },
    away: (why) => {
      problem = why;
      draw();
    },
    close: () => void screen.write('\u001b[?25h\u001b[?1049l'),
  };
}

export interface FrameOptions {
  readonly isComplete: boolean;
  readonly problem: string | null;
  /** Columns that give way, by rank, until the rest of the line fits: the id is what a decision needs. */
  readonly columns: number;
}

/** The lines of one picture. Ages and times left are counted on from the approvals' own times. */
export function frame(
  approvals: readonly Approval[],
  nowMs: number,
  { isComplete, problem, columns }: FrameOptions,
): readonly string[] {
  const waiting = approvals.filter(({ state }) => state === State.STATE_PENDING).sort(byAge);
  const others = approvals.filter(({ state }) => state !== State.STATE_PENDING).sort((a, b) => byAge(b, a));
  const header = ['STATE', 'AGE', 'LEFT', 'NEEDS', 'REQUESTER', 'MODEL', 'RULES', 'ID'];
  const cells = [...waiting, ...others].map((approval) => cellsOf(approval, nowMs));
  const widths = header.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => textWidth(row[column] ?? ''))),
  );
  const shown = columnsThatFit(header, widths, columns);
  const line = (row: readonly string[]) =>
    shown
      .map((column) => padWidth(row[column] ?? '', widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const title = `${waiting.length} waiting${isComplete ? '' : ' …'}${problem === null ? '' : `   ${problem}`}`;
  return [title, '', line(header), ...cells.map(line)];
}

/** What a narrow terminal can do without, the least needed first. */
const givesWay = ['RULES', 'MODEL', 'NEEDS', 'REQUESTER', 'AGE', 'LEFT'];

function columnsThatFit(header: readonly string[], widths: readonly number[], columns: number): readonly number[] {
  let shown = header.map((_title, column) => column);
  const width = () => shown.reduce((sum, column) => sum + (widths[column] ?? 0) + 2, -2);
  for (const title of givesWay) {
    if (width() <= columns) break;
    shown = shown.filter((column) => header[column] !== title);
  }
  return shown;
}

function cellsOf(approval: Approval, nowMs: number): string[] {
  const { state, createTime, pendingUntil, grantUntil, terms } = approval;
  const until = state === State.STATE_PENDING ? pendingUntil : state === State.STATE_APPROVED ? grantUntil : undefined;
  const needs =
    state === State.STATE_PENDING ? `${approval.approvalsMissing} of ${terms?.approverGroups.join(',') ?? ''}` : '';
  return [
    `${stateName(state)}${approval.forced ? '!' : ''}`,
    createTime ? short((nowMs - createTime.getTime()) / 1000) : '',
    until ? short((until.getTime() - nowMs) / 1000) : '',
    cut(needs, 30),
    cut(person(approval.requester), 24),
    cut(approval.resource?.model ?? '', 24),
    cut(approval.rules.join(','), 32),
    printable(approval.id),
  ];
}

function isOver({ state }: Approval): boolean {
  return state !== State.STATE_PENDING && state !== State.STATE_APPROVED;
}

function byAge(a: Approval, b: Approval): number {
  return (a.createTime?.getTime() ?? 0) - (b.createTime?.getTime() ?? 0);
}

function cut(text: string, columns: number): string {
  // Escapes first: what is cut is what is shown.
  return fitWidth(printable(text).replaceAll('\n', ' '), columns);
}

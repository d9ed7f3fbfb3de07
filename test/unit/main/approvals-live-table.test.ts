import { describe, expect, test } from 'vitest';
import { approvalMessage } from '../../../src/api/approval-message.ts';
import { create } from '../../../src/approval/state-machine.ts';
import { type Approval, State } from '../../../src/gen/countersign/approval/v1/approval.ts';
import { createLiveTable, frame } from '../../../src/main/approvals-live-table.ts';
import { fitWidth, padWidth, textWidth } from '../../../src/main/text-width.ts';
import { held, person, startMs, terms } from '../../support/approvals.ts';

function shown(id: string, changes: Partial<Approval> = {}, requester = 'rita'): Approval {
  const approval = create(id, 'digest', held({ requester: person(requester) }), terms(), startMs);
  return { ...approvalMessage(approval, startMs), ...changes };
}

/** A terminal that keeps what is on it: enough of one for home, erase and line breaks. */
function terminal(columns = 120, rows = 24) {
  let text = '';
  let all = '';
  return {
    columns,
    rows,
    write: (written: string) => {
      all += written;
      if (written.startsWith('\u001b[H')) text = written.replace(/\u001b\[[HKJ]/g, '');
    },
    lines: () => text.split('\r\n'),
    all: () => all,
  };
}

describe('live table', () => {
  test('what waits comes first, oldest on top, with ages that go on by themselves', () => {
    const early = shown('a');
    const late = shown('b', { createTime: new Date(startMs + 60_000) });
    const done = shown('c', { state: State.STATE_REJECTED });
    const lines = frame([late, done, early], startMs + 90_000, { isComplete: true, problem: null, columns: 120 });
    expect(lines).toEqual([
      '2 waiting',
      '',
      'STATE     AGE  LEFT  NEEDS           REQUESTER  MODEL  RULES            ID',
      'pending   90s  8m    1 of reviewers  rita       gpt    production_code  a',
      'pending   30s  8m    1 of reviewers  rita       gpt    production_code  b',
      'rejected  90s                        rita       gpt    production_code  c',
    ]);
  });

  test('what changes is redrawn in place, what is over goes after a minute, what was over before is not shown', () => {
    const screen = terminal();
    let now = startMs;
    const live = createLiveTable(screen, () => now);
    live.anew();
    live.approval(shown('old', { state: State.STATE_CONSUMED }));
    live.approval(shown('a'));
    live.synced();
    expect(screen.lines()).toHaveLength(4);
    live.approval(shown('a', { state: State.STATE_REJECTED, version: 2 }));
    expect(screen.lines()[0]).toBe('0 waiting');
    expect(screen.lines()[3]).toMatch(/^rejected/);
    // A message that was overtaken changes nothing.
    live.approval(shown('a', { version: 1 }));
    expect(screen.lines()[3]).toMatch(/^rejected/);
    now += 61_000;
    live.draw();
    expect(screen.lines()).toHaveLength(3);
  });

  test('a list that begins anew forgets what is not in it', () => {
    const screen = terminal();
    const live = createLiveTable(screen, () => startMs);
    live.anew();
    live.approval(shown('a'));
    live.synced();
    live.away('the service is away');
    expect(screen.lines()[0]).toBe('1 waiting   the service is away');
    live.away(null);
    live.anew();
    live.approval(shown('b'));
    live.synced();
    expect(
      screen
        .lines()
        .slice(3)
        .map((line) => line.at(-1)),
    ).toEqual(['b']);
  });

  test('a name with escapes, a narrow and a low terminal', () => {
    const screen = terminal(40, 5);
    const live = createLiveTable(screen, () => startMs);
    for (let n = 0; n < 20; n += 1) live.approval(shown(`a${n}`, {}, '\u001b[2Jevil'));
    live.draw();
    expect(screen.lines()).toHaveLength(5);
    expect(Math.max(...screen.lines().map((line) => line.length))).toBeLessThanOrEqual(40);
    expect(screen.all()).not.toContain('\u001b[2J');
    expect(screen.all()).toContain('\\x1b');
  });

  test('a narrow terminal keeps the id, and lets go of what a decision needs least', () => {
    const id = '0197b7a0-5c1e-7cc3-98c2-0b1c2d3e4f50';
    const at = (columns: number) =>
      frame([shown(id)], startMs, { isComplete: true, problem: null, columns })[2]?.split(/ +/);
    expect(at(200)).toEqual(['STATE', 'AGE', 'LEFT', 'NEEDS', 'REQUESTER', 'MODEL', 'RULES', 'ID']);
    expect(at(80)).toEqual(['STATE', 'AGE', 'LEFT', 'REQUESTER', 'ID']);
    expect(at(50)).toEqual(['STATE', 'ID']);
    const screen = terminal(20, 5);
    const live = createLiveTable(screen, () => startMs);
    live.approval(shown(id));
    live.draw();
    expect(screen.lines().every((line) => line.length <= 20)).toBe(true);
  });

  test('names in wide and combining characters stand in their columns', () => {
    const lines = frame(
      [shown('a', {}, '山田太郎'), shown('b', {}, 'Zoe\u0301'), shown('c', {}, '👩‍👩‍👧 x')],
      startMs,
      {
        isComplete: true,
        problem: null,
        columns: 120,
      },
    );
    expect(new Set(lines.slice(3).map((line) => textWidth(line.slice(0, line.indexOf('gpt')))))).toHaveProperty(
      'size',
      1,
    );
    const screen = terminal(46, 5);
    const live = createLiveTable(screen, () => startMs);
    live.approval(shown('山'.repeat(40)));
    live.draw();
    expect(Math.max(...screen.lines().map(textWidth))).toBeLessThanOrEqual(46);
  });

  test('nothing waits', () => {
    const screen = terminal();
    const live = createLiveTable(screen, () => startMs);
    live.anew();
    live.synced();
    expect(screen.lines()).toEqual(['0 waiting', '', 'STATE  AGE  LEFT  NEEDS  REQUESTER  MODEL  RULES  ID']);
  });

  test.each([
    ['', 0],
    ['abc', 3],
    ['山田', 4],
    ['é', 1],
    ['e\u0301', 1],
    ['\u200b', 0],
    ['👍', 2],
    ['👩‍👩‍👧', 2],
    ['ｆｕｌｌ', 8],
    ['한글', 4],
    ['…', 1],
  ])('%j takes %d columns', (text, columns) => {
    expect(textWidth(text)).toBe(columns);
    expect(textWidth(fitWidth(text.repeat(9), 5))).toBeLessThanOrEqual(5);
    expect(textWidth(padWidth(text, 12))).toBe(12);
  });

  test('the terminal comes back as it was', () => {
    const screen = terminal();
    createLiveTable(screen, () => startMs).close();
    expect(screen.all()).toBe('\u001b[?1049h\u001b[?25l\u001b[?25h\u001b[?1049l');
  });
});

import { type Attempt, advance, type Candidate, isHopeless, shiftAttempt, startAttempt } from './attempt.ts';
import type { RoamingRule } from './program.ts';
import type { RunningText } from './running-text.ts';

/** Tries one rule from every place of a running text. */
export interface Roamer {
  /** Reads on to the end of the text; returns what was found. With `last`, the text ends here. */
  read(running: RunningText, last: boolean): readonly Candidate[];
  /** Where the match that is still open begins, or -1. */
  openAt(): number;
  shift(by: number): void;
}

/** Matches of one roaming rule do not overlap: after a match it goes on behind it, and it waits while one is open. */
export function createRoamer({ rule, prefix }: RoamingRule): Roamer {
  let at = 0;
  let open: Attempt | null = null;

  /** Next place from which a match may begin. */
  function nextPlace({ text, units }: RunningText): number {
    while (at < text.length) {
      if (prefix !== '' && !text.startsWith(prefix, at) && at + prefix.length <= text.length) {
        const next = text.indexOf(prefix, at);
        at = next < 0 ? Math.max(at, text.length - prefix.length + 1) : next;
        if (at >= text.length) break;
      }
      if (!isHopeless(rule, units, at)) return at;
      at++;
    }
    return -1;
  }

  return {
    read: (running, last) => {
      const found: Candidate[] = [];
      for (;;) {
        if (!open) {
          const place = nextPlace(running);
          if (place < 0) return found;
          open = startAttempt(rule, place);
        }
        const outcome = advance(open, running, last);
        if (outcome === 'open') return found;
        if (outcome === 'failed') at++;
        else {
          found.push(outcome);
          at = outcome.end;
        }
        open = null;
      }
    },
    openAt: () => (open ? open.valueStart : -1),
    shift: (by) => {
      at -= by;
      if (open) shiftAttempt(open, by);
    },
  };
}

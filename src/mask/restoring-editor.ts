import type { Restorer } from './restorables.ts';
import { createJsonStreamRestorer, createTextStreamRestorer, restoreJsonText, restoreText } from './restore-text.ts';
import { editingInTurns, type StreamMasker } from './stream-masker.ts';
import type { TextEditor } from './text-editor.ts';

/** Puts values back into every text in which they may stand. */
export function createRestoringEditor(restorer: Restorer): TextEditor {
  const open: TextEditor['open'] = ({ kind, json }) => {
    const finder = restorer.finder(kind);
    if (finder === null) return createUntouched();
    return (json ? createJsonStreamRestorer : createTextStreamRestorer)(finder, restorer);
  };
  return {
    open,
    whole: ({ text, kind, json }) => {
      const finder = restorer.finder(kind);
      return finder === null ? text : (json ? restoreJsonText : restoreText)(text, finder, restorer);
    },
    wholeInTurns: (whole) => editingInTurns(open(whole), whole.text),
    between: (text) => text,
    counts: () => [],
  };
}

/** A running text that goes out as it comes. */
function createUntouched(): StreamMasker {
  let length = 0;
  return {
    push: (piece) => {
      length += piece.length;
    },
    close: () => {},
    length: () => length,
    decided: () => length,
    take: () => null,
    tail: () => '',
  };
}

import { id, name, object, type Shape, text } from './shape.ts';

/** What OpenAI's APIs have in common. */
export const errorObject: Shape = object({ type: name, code: id, param: id });

/** Azure: verdicts of its content filter, as words (`safe`, `filtered`). */
export const filterResults: Shape = text('other', { leaf: 'name', rest: null });

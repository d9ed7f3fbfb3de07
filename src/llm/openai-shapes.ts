import { free, id, jsonSchema, name, object, type Shape, text } from './shape.ts';

/** What OpenAI's APIs have in common, and others took over. */
export const errorObject: Shape = object({ type: name, code: id, param: id });

/** Azure: verdicts of its content filter, as words (`safe`, `filtered`). */
export const filterResults: Shape = text('other', { leaf: 'name', rest: null });

/** A function that a model may call: its name, what it is for, its parameters as JSON Schema. */
export function functionDefinition(): Shape {
  return text('tool_definition', {
    rest: free('tool_definition'),
    members: new Map([
      ['name', id],
      ['parameters', jsonSchema('tool_definition')],
    ]),
  });
}

/** The list of tools of a request. */
export function toolDefinitions(): Shape {
  const toolDefinition = free('tool_definition');
  return text('tool_definition', {
    rest: toolDefinition,
    members: new Map([
      ['type', name],
      ['function', functionDefinition()],
      ['custom', text('tool_definition', { rest: toolDefinition, members: new Map([['name', id]]) })],
    ]),
  });
}

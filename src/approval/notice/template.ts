import { err, ok, type Result } from '../../lib/result.ts';
import { type FieldName, type Fields, fieldNames } from './fields.ts';

/** A text with places for fields, read once. */
export interface Template {
  readonly fields: readonly FieldName[];
  render(fields: Fields): string;
}

/**
 * Reads `{field}` as the place of a field and `{{`, `}}` as braces. There is no logic and no way to reach anything but the
 * fields by name. A value is put in as it is: whoever renders a format escapes the whole. The error says what is wrong.
 */
export function parseTemplate(text: string): Result<Template, string> {
  const parts: (string | { readonly field: FieldName })[] = [];
  for (const [token] of text.matchAll(/\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g)) {
    if (token === '{{' || token === '}}') parts.push(token.slice(1));
    else if (token === '{' || token === '}') return err(`has a single ${token}: write ${token}${token}`);
    else if (token.startsWith('{')) {
      const field = fieldNames.find((name) => name === token.slice(1, -1));
      if (field === undefined) return err(`has ${token}, which is no field; there are ${fieldNames.join(', ')}`);
      parts.push({ field });
    } else parts.push(token);
  }
  return ok({
    fields: parts.flatMap((part) => (typeof part === 'string' ? [] : [part.field])),
    render: (fields) => parts.map((part) => (typeof part === 'string' ? part : fields[part.field])).join(''),
  });
}

/** What is said when nothing else is configured. */
export const defaultTitle = 'A request of {requester} to {model} {what}';

export const requesterTitle = 'Your request to {model} {what}';

export const requesterText =
  'Once it is approved, the same request passes when it is sent again unchanged, until the grant ends. See {command}';

export const defaultText =
  'Rules: {rules}. Found: {findings}. May decide: {quorum} of {groups}, until {pending_until}. See {command}';

import { indexMember, type JsonNode, memberOf } from './json-source.ts';
import { type Endings, noEndings } from './json-stream.ts';

/** A choice's texts end with its finish reason; an error is the last event of a stream. */
export function choicesThatEnd(source: string, root: JsonNode): Endings {
  const error = memberOf(root, 'error');
  if (error !== undefined && error.type !== 'null') return { prefixes: [], all: true };
  const choices = memberOf(root, 'choices');
  if (choices?.type !== 'array') return noEndings;
  let prefixes: string[] | null = null;
  for (const [position, choice] of choices.items.entries()) {
    if (memberOf(choice, 'finish_reason')?.type !== 'string') continue;
    prefixes ??= [];
    prefixes.push(`/choices/${indexMember(source, choice) ?? position}/`);
  }
  return prefixes === null ? noEndings : { prefixes, all: false };
}

import { ok, type Result } from '../lib/result.ts';
import type { Sliced } from '../lib/slices.ts';
import { emptyConversation } from './conversation.ts';
import type { BodyError, Dialect, ParsedBody, RouteFacts } from './dialect.ts';
import { type Form, formBody } from './form-body.ts';
import { createGenericJson } from './generic-json.ts';
import { createGenericText } from './generic-text.ts';
import { unchanged } from './json-body.ts';
import { readMultipart } from './multipart.ts';
import { routePath } from './route-path.ts';
import { readUrlencoded } from './urlencoded.ts';

/**
 * Forms: `application/x-www-form-urlencoded`, and `multipart/form-data` as image edits, file uploads and (by their own dialect) transcriptions use it. Text fields are
 * read and may be rewritten, files are reported. A body that is a JSON document all the same (curl's default media type) is read as one.
 * Answers are JSON or plain text.
 */
export function createForm(): Dialect {
  const text = createGenericText();
  const json = createGenericJson();
  return {
    ...text,
    id: 'form',
    matches: () => false,
    readRequest: function* (body, route) {
      const contentType = route.header('content-type') ?? '';
      if (/^\s*multipart\//i.test(contentType))
        return yield* read(body, yield* readMultipart(body, contentType), route);
      const asJson = /^\s*[[{]/.test(body.toString('latin1', 0, 64)) ? yield* json.readRequest(body, route) : null;
      return asJson?.ok === true ? asJson : yield* read(body, yield* readUrlencoded(body), route);
    },
  };
}

function* read(body: Buffer, form: Result<Form, BodyError>, route: RouteFacts): Sliced<Result<ParsedBody, BodyError>> {
  if (body.length === 0) return ok({ conversation: emptyConversation, rewrite: () => unchanged(body) });
  if (!form.ok) return form;
  const { fields } = form.value;
  return yield* formBody(body, form.value, {
    ...emptyConversation,
    dialect: 'form',
    operation: operationOf(routePath(route.path)),
    model: fields.get('model') ?? null,
    stream: fields.get('stream') === 'true',
  });
}

function operationOf(path: string): string {
  if (/\/audio\/(?:transcriptions|translations)$/.test(path)) return 'transcription';
  if (/\/images\/(?:edits|variations)$/.test(path)) return 'image';
  return path.endsWith('/files') ? 'upload' : 'unknown';
}

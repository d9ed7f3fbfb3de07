import { err, ok, type Result } from '../lib/result.ts';
import { inSlices } from '../lib/slices.ts';
import { decodeBodyAside } from '../llm/content-encoding.ts';
import type { BodyError, ParsedBody } from '../llm/dialect.ts';
import type { ExchangeContext } from './context.ts';

/** The body as its dialect reads it, and its bytes without content encoding. Both null when there is no body. A large one gives way. */
export async function readRequest(
  bodyBytesMax: number,
  context: ExchangeContext,
  body: Buffer | null,
): Promise<Result<{ readonly parsed: ParsedBody | null; readonly plain: Buffer | null }, BodyError>> {
  if (body === null || body.length === 0) return ok({ parsed: null, plain: body });
  if (body.length > bodyBytesMax) return err(tooLarge(bodyBytesMax));
  const decoded = await decodeBodyAside(body, context.route.header('content-encoding'));
  if (!decoded.ok) return decoded;
  if (decoded.value.length > bodyBytesMax) return err(tooLarge(bodyBytesMax));
  const parsed = await inSlices(context.dialect.readRequest(decoded.value, context.route));
  return parsed.ok ? ok({ parsed: parsed.value, plain: decoded.value }) : parsed;
}

function tooLarge(bodyBytesMax: number): BodyError {
  return {
    kind: 'body_too_large',
    message: `The body is larger than ${bodyBytesMax} bytes.`,
  };
}

import type { JsonValue } from '../../lib/json.ts';
import { type CheckpointFacts, pruned, type Rendered } from './format.ts';
import { operationName, providerOf } from './providers.ts';
import type { RecordView } from './record-view.ts';
import { inputMessages } from './sent-prompt.ts';

/**
 * A record by the OpenTelemetry GenAI conventions (status: Development; this file is where a change of them goes). The
 * document is `{event_name, attributes}`; the OTLP sink makes a LogRecord of it. Messages are opt-in there: what was sent
 * goes along for a sink that asks for it, answers never do.
 */
export function otelDocument(view: RecordView): Rendered {
  const { record, caller } = view;
  const isExchange = view.dialect !== '' && record.kind !== 'approval';
  const { input, output } = view.usage;
  const { received, firstByte } = view.times;
  const isError = view.action === 'error' || view.action === 'block' || view.action === 'rejected';
  const [rule] = view.rules;
  const attributes: Record<string, JsonValue> = {
    'log.record.uid': record.id,
    ...(isExchange
      ? {
          'gen_ai.operation.name': operationName(view.operation),
          'gen_ai.provider.name': providerOf(view.dialect).name,
        }
      : {}),
    ...pruned({
      'gen_ai.request.model': view.model,
      'gen_ai.request.stream': isExchange ? view.stream : null,
      'gen_ai.response.model': view.responseModel,
      'gen_ai.response.finish_reasons': view.finishReasons,
      'gen_ai.response.time_to_first_chunk':
        view.stream === true && received !== null && firstByte !== null ? Number(firstByte - received) / 1e9 : null,
      'gen_ai.usage.input_tokens': input,
      'gen_ai.usage.output_tokens': output,
      'gen_ai.conversation.id': record.session,
      'gen_ai.input.messages': view.prompt === null ? null : inputMessages(view.prompt),
      'countersign.audit.prompt_truncated': view.prompt?.isTruncated,
      'error.type': isError ? view.code || view.action : null,
      'server.address': view.host.replace(/:\d+$/, ''),
      'server.port': serverPort(view.host),
      'http.response.status_code': view.status,
      'user.hash': caller?.pseudonym,
      'user.roles': caller?.roles,
      'security_rule.name': rule,
      'security_rule.version': rule === undefined ? null : view.policyRevision,
      'security_rule.ruleset.name': rule === undefined ? null : 'countersign',
      'client.address': view.source,
      'countersign.policy.version': view.policyRevision,
      'countersign.policy.action': view.action,
      'countersign.policy.rules': view.rules,
      'countersign.audit.kind': record.kind,
      'countersign.audit.origin': view.origin,
      'countersign.audit.exchange': record.exchange,
      'countersign.audit.leaf_index': String(record.sequence),
      'countersign.audit.leaf_hash': view.leafHash,
      'countersign.masked.entities': [...new Set(view.masked.map(({ entity }) => entity))],
      'countersign.masked.count': view.masked.reduce((sum, { count }) => sum + count, 0) || null,
    }),
  };
  const name = isExchange ? 'gen_ai.client.inference.operation.details' : `countersign.audit.${record.kind}`;
  const severity = isError ? 3 : 1;
  return { suffix: '', type: name, severity, document: { event_name: name, attributes } };
}

export function otelCheckpoint({ origin, size, note }: CheckpointFacts): Rendered {
  const name = 'countersign.audit.checkpoint';
  const attributes = {
    'log.record.uid': `checkpoint/${origin}/${size}`,
    'countersign.audit.origin': origin,
    'countersign.audit.size': String(size),
    'countersign.audit.checkpoint': note,
  };
  return { suffix: '', type: name, severity: 1, document: { event_name: name, attributes } };
}

function serverPort(host: string): number | null {
  const port = /:(\d{1,5})$/.exec(host)?.[1];
  return port === undefined ? null : Number(port);
}

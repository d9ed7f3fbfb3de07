import { sha256Hex } from '../../lib/hash.ts';
import { type Product, pruned, type Rendered } from './format.ts';
import { operationName, providerOf } from './providers.ts';
import type { RecordView } from './record-view.ts';
import { inputMessages } from './sent-prompt.ts';

/** The version whose field names these documents use; `gen_ai.*` is beta in it. */
export const ecsVersion = '9.4.0';

/** A record as an Elastic Common Schema document. No answer, and a prompt only for a sink that asks for it. */
export function ecsDocument(view: RecordView, product: Product): Rendered {
  const { record, caller } = view;
  const isExchange = view.action !== null;
  const isAlert = view.action === 'block' || view.action === 'rejected' || view.action === 'error';
  const { received, ended } = view.times;
  const { input, output } = view.usage;
  return {
    suffix: '',
    type: 'ecs',
    severity: isAlert ? 3 : 1,
    document: pruned({
      '@timestamp': new Date(Number(record.wallNs / 1_000_000n)).toISOString(),
      ecs: { version: ecsVersion },
      event: pruned({
        kind: isAlert ? 'alert' : 'event',
        category: [isExchange ? 'api' : eventCategory(record.kind)],
        type: isExchange ? ['access', isAlert ? 'denied' : 'allowed'] : [eventType(record.kind)],
        action: isExchange && record.kind !== 'approval' ? 'llm.exchange' : `audit.${record.kind}`,
        outcome: isAlert ? 'failure' : 'success',
        id: record.id,
        sequence: record.sequence,
        created: new Date(Number(record.wallNs / 1_000_000n)).toISOString(),
        reason: view.reason || view.code,
        hash: sha256Hex(record.manifestBytes),
        // 64 bits do not fit a JSON number, but a duration below 104 days does.
        duration: received === null || ended === null ? null : Number(ended - received),
        dataset: 'countersign.audit',
        module: 'countersign',
        provider: view.origin,
      }),
      user: caller === null ? null : pruned({ id: caller.pseudonym, roles: caller.roles }),
      group: caller === null ? null : pruned({ name: caller.groups }),
      organization: caller === null ? null : pruned({ id: caller.tenant }),
      source: view.source === '' ? null : { ip: view.source },
      service: { name: 'countersign', version: product.version, node: { name: product.host } },
      http: pruned({
        request: pruned({ id: isExchange ? record.exchange : null, method: view.method }),
        response: view.status === null ? null : { status_code: view.status },
      }),
      url: pruned({ path: view.path, domain: view.host.replace(/:\d+$/, '') }),
      trace: view.trace === null ? null : { id: view.trace.id },
      span: view.trace === null ? null : { id: view.trace.span },
      rule:
        view.rules.length === 0
          ? null
          : pruned({ id: view.rules, name: view.rules, ruleset: 'countersign', version: view.policyRevision }),
      related: caller === null ? null : { user: [caller.pseudonym] },
      gen_ai: view.dialect === '' ? null : genAi(view, input, output),
      countersign: {
        audit: pruned({
          origin: view.origin,
          kind: record.kind,
          session: record.session,
          exchange: record.exchange,
          leaf_index: String(record.sequence),
          leaf_hash: view.leafHash,
          action: view.action,
          ended: view.ended,
          // ECS has no field for messages, and maps its finish reasons as nested documents, which would refuse words.
          finish_reasons: view.finishReasons,
          prompt: view.prompt === null ? null : inputMessages(view.prompt),
          prompt_truncated: view.prompt?.isTruncated,
          masked: view.masked.map(({ entity, method, count }) => ({ entity, method: method ?? 'none', count })),
        }),
      },
    }),
  };
}

function genAi(view: RecordView, input: number | null, output: number | null) {
  return pruned({
    operation: { name: operationName(view.operation) },
    system: providerOf(view.dialect).name,
    request: pruned({ model: view.model }),
    response: pruned({ model: view.responseModel }),
    usage: pruned({ input_tokens: input, output_tokens: output }),
  });
}

/** The type that goes with it must be one that ECS expects of the category. */
function eventCategory(kind: string): string {
  return kind === 'open' || kind === 'close' ? 'process' : 'configuration';
}

function eventType(kind: string): string {
  if (kind === 'open') return 'start';
  if (kind === 'close') return 'end';
  if (kind === 'access') return 'access';
  return kind === 'expire' || kind === 'erase' ? 'deletion' : 'change';
}

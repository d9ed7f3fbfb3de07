import { type ServerUnaryCall, type ServiceDefinition, type sendUnaryData, status } from '@grpc/grpc-js';
import type { ExchangeService, Reply, RequestHead, RequestVerdict } from '../exchange/exchange.ts';
import { type HeaderValueOption, HeaderValueOption_HeaderAppendAction } from '../gen/envoy/config/core/v3/base.ts';
import {
  AuthorizationService,
  type CheckRequest,
  type CheckResponse,
} from '../gen/envoy/service/auth/v3/external_auth.ts';
import { Fault } from '../lib/fault.ts';
import type { RpcServer } from '../rpc/server.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import { type CheckedRequest, checkedRequest } from './check-request.ts';
import { type EnvoyTime, plainWaitMs } from './envoy-time.ts';

export interface ExtAuthzDeps {
  readonly exchange: ExchangeService;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Absent: it is not known, and whoever is held waits as long as is wanted. */
  readonly envoyTime?: EnvoyTime;
}

/**
 * Serves `envoy.service.auth.v3.Authorization` on this server. Every verdict is an OK reply, a fault included: a gRPC error would
 * leave the decision to Envoy's `failure_mode_allow`.
 */
export function addAuthorization(server: RpcServer, deps: ExtAuthzDeps): void {
  const definition: ServiceDefinition = { check: AuthorizationService.check };
  server.addService(definition, {
    check: (call: ServerUnaryCall<CheckRequest, CheckResponse>, answer: sendUnaryData<CheckResponse>) => {
      const gone = new AbortController();
      call.on('cancelled', () => gone.abort());
      void check(deps, call.request, gone.signal).then((response) => answer(null, response));
    },
  });
}

/** Never rejects. */
export async function check(deps: ExtAuthzDeps, request: CheckRequest, signal: AbortSignal): Promise<CheckResponse> {
  let checked: CheckedRequest | null = null;
  try {
    checked = checkedRequest(request);
    if (checked.isTruncated) {
      throw new Fault('body_too_large', 'Envoy sent only a part of the request body (allow_partial_message)');
    }
    const time = deps.envoyTime;
    const options = {
      canRewrite: false,
      handover: null,
      isBodyWithheld: checked.isBodyWithheld,
      ...(time === undefined ? {} : { askForTime: (wantedMs: number) => plainWaitMs(wantedMs, time) }),
    };
    const verdict = await deps.exchange.request(checked.head, checked.body, options, signal);
    if (verdict.kind === 'reply') return denied(verdict.reply);
    if (verdict.body !== null) {
      // The exchange was told that a body cannot be rewritten here; letting the original pass instead would unmask it.
      await verdict.exchange.abort('fault');
      throw new Fault('masking_failed', 'a rewritten body cannot be sent by ext_authz');
    }
    if (signal.aborted) await verdict.exchange.abort('client_gone');
    return allowed(verdict);
  } catch (thrown) {
    const fault = Fault.from(thrown);
    deps.metrics.failure(fault.code);
    deps.log.warn('check failed closed', { code: fault.code, reason: fault.message });
    return deniedByFault(deps.exchange, checked?.head ?? null, fault);
  }
}

function deniedByFault(exchange: ExchangeService, head: RequestHead | null, fault: Fault): CheckResponse {
  try {
    return denied(exchange.faultReply(head, fault));
  } catch {
    // Without words it is still a denial: code 7 without a denied_response is a bare 403.
    return {
      status: { code: status.PERMISSION_DENIED, message: fault.code },
      httpResponse: undefined,
      dynamicMetadata: undefined,
    };
  }
}

function allowed(verdict: Extract<RequestVerdict, { kind: 'forward' }>): CheckResponse {
  return {
    status: { code: status.OK, message: '' },
    httpResponse: {
      $case: 'okResponse',
      value: {
        headers: headerOptions(verdict.headers.set),
        headersToRemove: [...verdict.headers.remove],
        responseHeadersToAdd: [],
      },
    },
    dynamicMetadata: { countersign: verdict.handover },
  };
}

/** A status code of 0 would be an allow, whatever else the answer says. */
function denied(reply: Reply): CheckResponse {
  return {
    status: { code: status.PERMISSION_DENIED, message: reply.details },
    httpResponse: {
      $case: 'deniedResponse',
      value: {
        status: { code: reply.status },
        headers: headerOptions(reply.headers),
        body: reply.body.toString('utf8'),
      },
    },
    dynamicMetadata: undefined,
  };
}

/** In `value`: ext_authz, unlike ext_proc, makes an empty header of `raw_value`. */
function headerOptions(headers: ReadonlyMap<string, string>): HeaderValueOption[] {
  return [...headers].map(([key, value]) => ({
    header: { key, value, rawValue: Buffer.alloc(0) },
    append: undefined,
    appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    keepEmptyValue: false,
  }));
}

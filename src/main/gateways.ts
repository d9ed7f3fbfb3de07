import type { Config } from '../config/config.ts';
import {
  agentgatewayPaths,
  createAgentgatewayAnswerHandler,
  createAgentgatewayRequestHandler,
} from '../pep/agentgateway-http.ts';
import type { GuardrailDeps } from '../pep/guardrail.ts';
import { createGuardrailServer, type GuardrailServer, type GuardrailServerDeps } from '../pep/guardrail-server.ts';
import { createLiteLlmHandler, liteLlmPath } from '../pep/litellm-http.ts';
import { address, readTls, tlsOf } from './listeners.ts';

/** Where gateways ask by HTTP; null: they are not to. */
export function createGateways(
  { gateways }: Config,
  { log, metrics, ...deps }: GuardrailDeps & Omit<GuardrailServerDeps, 'handlers'>,
): GuardrailServer | null {
  if (gateways === null) return null;
  const handlers = new Map([
    [liteLlmPath, createLiteLlmHandler(deps)],
    [agentgatewayPaths.request, createAgentgatewayRequestHandler(deps)],
    [agentgatewayPaths.answer, createAgentgatewayAnswerHandler(deps)],
  ]);
  const { listen, key } = gateways;
  return createGuardrailServer(
    { handlers, log, metrics },
    { ...address(listen), tls: tlsOf(listen, readTls), key: key.reveal() },
  );
}

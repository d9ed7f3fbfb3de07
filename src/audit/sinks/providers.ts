/** A provider as the formats name it, by the first word of the dialect. */
export interface Provider {
  /** OpenTelemetry's `gen_ai.provider.name`; also ECS's `gen_ai.system`. */
  readonly name: string;
  /** For people. */
  readonly title: string;
}

const providers: ReadonlyMap<string, Provider> = new Map([
  ['openai', { name: 'openai', title: 'OpenAI' }],
  ['anthropic', { name: 'anthropic', title: 'Anthropic' }],
  ['google', { name: 'gcp.gemini', title: 'Google' }],
  ['bedrock', { name: 'aws.bedrock', title: 'Amazon Bedrock' }],
  ['cohere', { name: 'cohere', title: 'Cohere' }],
  ['ollama', { name: 'ollama', title: 'Ollama' }],
]);

/** The dialect tells the wire format, which is what is known; whoever else speaks it goes by its maker's name. */
export function providerOf(dialect: string): Provider {
  const word = dialect.split('.')[0] ?? '';
  return providers.get(word) ?? { name: word || 'unknown', title: word || 'unknown' };
}

const operations: ReadonlyMap<string, string> = new Map([
  ['chat', 'chat'],
  ['completion', 'text_completion'],
  ['embedding', 'embeddings'],
  ['image', 'generate_content'],
]);

/** OpenTelemetry's `gen_ai.operation.name`; `_OTHER` where it has no word for it. */
export function operationName(operation: string): string {
  return operations.get(operation) ?? '_OTHER';
}

/** One event of an OpenAI chat stream. */
export function delta(content: string): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }];
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices })}\n\n`;
}

/** The last two events of an OpenAI chat stream. */
export const streamEnd: readonly string[] = [
  'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
  'data: [DONE]\n\n',
];

export const eventStream: Readonly<Record<string, string>> = { 'content-type': 'text/event-stream' };

/** What the model said in a stream, its events put together. */
export function said(stream: string): string {
  let text = '';
  for (const line of stream.split('\n')) {
    if (!line.startsWith('data: {')) continue;
    const event: { choices?: { delta?: { content?: string } }[] } = JSON.parse(line.slice(6));
    text += event.choices?.[0]?.delta?.content ?? '';
  }
  return text;
}

/** A whole answer of an OpenAI chat. */
export function completion(content: string): string {
  return JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content } }] });
}

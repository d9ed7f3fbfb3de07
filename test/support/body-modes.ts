/** How Envoy hands bodies over, in the words of its configuration. */
export interface BodyModes {
  readonly request: string;
  readonly response: string;
  readonly trailers: string;
}

/** Our Envoy configuration in other body modes than those it is shipped with. */
export function inBodyModes({ request, response, trailers }: BodyModes): (yaml: string) => string {
  return (yaml) =>
    yaml
      .replace('request_body_mode: BUFFERED', `request_body_mode: ${request}`)
      .replace('response_body_mode: FULL_DUPLEX_STREAMED', `response_body_mode: ${response}`)
      .replace(
        'response_trailer_mode: SEND',
        `response_trailer_mode: ${trailers}\n                        request_trailer_mode: ${trailers}`,
      );
}

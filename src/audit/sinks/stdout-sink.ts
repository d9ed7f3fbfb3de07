import { delivered, type Sink } from './sink.ts';

/** JSON lines on standard output; delivered when the stream has taken them. What reads it may lose them still. */
export function createStdoutSink(stream: NodeJS.WritableStream): Sink {
  return {
    deliver: (events) =>
      new Promise((resolve, reject) => {
        stream.write(events.map((event) => `${event.json}\n`).join(''), (error) => {
          if (error) reject(error);
          else resolve(delivered);
        });
      }),
    close: async () => {},
  };
}

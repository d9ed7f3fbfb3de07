import { systemClock } from '../../lib/clock.ts';

/** Says at the end how much was read how fast: on a terminal, or when asked to. */
export interface Stats {
  print(what: string, bytes: number, result: string): void;
}

export function startStats(isAsked: boolean | undefined): Stats {
  const started = systemClock.monoNs();
  return {
    print: (what, bytes, result) => {
      if (isAsked !== true && !process.stderr.isTTY) return;
      const seconds = Math.max(1e-6, Number(systemClock.monoNs() - started) / 1e9);
      const megabytes = bytes / 1e6;
      const rate = (megabytes / seconds).toFixed(1);
      warn(`${what}, ${megabytes.toFixed(2)} MB in ${seconds.toFixed(2)} s (${rate} MB/s): ${result}`);
    },
  };
}

/** A line for people, beside the output. */
export function warn(line: string): void {
  process.stderr.write(`countersign: ${line}\n`);
}

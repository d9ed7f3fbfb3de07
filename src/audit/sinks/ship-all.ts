import type { RandomBytes } from '../../lib/ids.ts';
import type { FsPort } from '../fs-port.ts';
import type { AuditKeys } from '../keys.ts';
import { createRenderer, type Product } from './format.ts';
import { deadlineOf, openSink } from './open-sink.ts';
import { startSegmentShipper } from './segment-shipper.ts';
import { createSentPromptReader } from './sent-prompt.ts';
import { type Shipper, type SinkStatus, shipperLimits, startShipper } from './shipper.ts';
import type { SinkSpec } from './sink-spec.ts';

export interface ShippingOptions {
  /** Directory and name of the log. */
  readonly log: string;
  readonly origin: string;
  /** Directory of cursors and dead letters. */
  readonly state: string;
  readonly product: Product;
  readonly specs: readonly SinkSpec[];
  /** A GUID of this run. */
  readonly channel: string;
}

export interface ShippingDeps {
  readonly fs: FsPort;
  readonly random: RandomBytes;
  readonly nowMs: () => number;
  readonly nowNs: () => bigint;
  /** Asks for keys of the log, where a sink needs them. */
  readonly unwrap: AuditKeys['unwrap'];
}

export interface Shipping {
  status(): readonly SinkStatus[];
  stop(drainMs: number): Promise<void>;
}

/** One shipper a sink; none knows of the others, none waits for another. */
export async function shipAll(options: ShippingOptions, deps: ShippingDeps): Promise<Shipping> {
  const shippers = await Promise.all(options.specs.map((spec) => shipOne(spec, options, deps)));
  return {
    status: () => shippers.map((shipper) => shipper.status()),
    stop: async (drainMs) => {
      await Promise.all(shippers.map((shipper) => shipper.stop(drainMs)));
    },
  };
}

async function shipOne(spec: SinkSpec, options: ShippingOptions, deps: ShippingDeps): Promise<Shipper> {
  const { log, origin, state, product, channel } = options;
  const { batch, name } = spec;
  const limits = {
    ...shipperLimits,
    batchRecords: batch.records,
    batchBytes: batch.bytes,
    batchWaitMs: batch.waitMs,
    eventBytesMax: spec.eventBytesMax,
    deadlineMs: deadlineOf(spec),
  };
  const opened = await openSink(spec, { product, channel, nowMs: deps.nowMs, nowNs: deps.nowNs });
  if (opened.kind === 'segments') {
    return startSegmentShipper({ name, log, origin, state, store: opened.store, limits, ...deps });
  }
  const renderer = createRenderer(spec.format, spec.projection, product, origin);
  const { promptBytesMax } = spec;
  const readPrompt = promptBytesMax === 0 ? null : createSentPromptReader(log, promptBytesMax, deps);
  return startShipper({ name, log, state, sink: opened.sink, renderer, readPrompt, limits, ...deps });
}

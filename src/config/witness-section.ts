import { z } from 'zod';
import { parseNoteKey } from '../audit/verify-note.ts';
import type { TrustedWitness } from '../audit/verify-trust.ts';
import type { WitnessDemand } from './config.ts';
import { serviceUrl } from './sinks-section.ts';
import { duration } from './values.ts';

/** The list `audit.witnesses`: who cosigns the log's checkpoints. */
export function witnessesSection(): z.ZodType<readonly TrustedWitness[]> {
  const witness = z
    .strictObject({
      name: z
        .string()
        .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'must be a name such as night-watch')
        .meta({ description: 'Names it in metrics.' }),
      key: z.string().max(512, 'is too long').meta({
        description: 'Its verifier key (`name+hash+key`, cosignature/v1), as it reached you by another way.',
      }),
      url: serviceUrl().meta({ description: 'Its submission prefix; `/add-checkpoint` is added.' }),
    })
    .transform(({ name, key: given, url }, context): TrustedWitness => {
      const key = parseNoteKey(given);
      if (key?.algorithm === 'cosignature') return { name, key, url };
      context.addIssue({ code: 'custom', path: ['key'], message: 'is not the verifier key of a witness' });
      return z.NEVER;
    });
  return z
    .array(witness)
    .max(16, 'must have at most 16 entries')
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'must not use a name twice');
}

/** The section `audit.witness`: what holds when witnesses are away. */
export function witnessSection(): z.ZodType<WitnessDemand, object> {
  return z
    .strictObject({
      required: z.int().min(0).max(16).default(0).meta({
        description:
          'How many witnesses must have cosigned the record, or new exchanges are refused (`audit_unavailable`). 0: they hold up nothing.',
      }),
      max_lag: duration('5s', '1d').prefault('5m').meta({
        description: 'How long they may be away or behind before that.',
      }),
    })
    .transform(({ required, max_lag }): WitnessDemand => ({ required, maxLagMs: max_lag }));
}

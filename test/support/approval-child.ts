/** A process that works on an embedded store without end and says each acknowledged step: it is there to be killed. */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createLevelStore } from '../../src/approval/level-store.ts';
import type { OnTransition } from '../../src/approval/store.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { actor, held, terms } from './approvals.ts';

const [directory = ''] = process.argv.slice(2);
const record = openSync(join(directory, 'record'), 'a');
const onTransition: OnTransition = async (after) => {
  writeSync(record, `${after.id} ${after.version} ${after.state}\n`);
};
const store = await createLevelStore({ directory: join(directory, 'store') }, { clock: systemClock, onTransition });

function say(step: { readonly id: string; readonly version: number; readonly state: string }): void {
  writeSync(1, `${step.id} ${step.version} ${step.state}\n`);
}

async function live(lane: number): Promise<never> {
  for (let turn = 0; ; turn++) {
    const id = `${process.pid}-${lane}-${turn}`;
    const given = terms({ quorum: 2, grant: { uses: 2, ttlS: 600 } });
    say((await store.open({ id, digest: id, held: held({ exchange: id }), terms: given })).approval);
    const ada = await store.approve(id, { by: actor('ada'), reason: null, requestKey: 'ada' });
    if (ada.ok) say(ada.value);
    const bob = turn % 3 === 0 ? await store.reject(id, { by: actor('bob'), reason: null }) : await approve(id, 'bob');
    if (bob.ok) say(bob.value);
    for (const used of await Promise.all([store.consume(id), store.consume(id), store.consume(id)])) {
      if (used.ok) say(used.value);
    }
  }
}

function approve(id: string, who: string) {
  return store.approve(id, { by: actor(who), reason: null, requestKey: who });
}

await Promise.all(Array.from({ length: 4 }, (_, lane) => live(lane)));

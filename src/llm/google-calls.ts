import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import type { NameOf } from './walk-state.ts';

/** Tells the function calls of one stream apart, for the keys of their running arguments. */
export interface CallNames {
  /** '' for any part that is no call, and for the first call of the stream. */
  readonly nameOf: NameOf;
}

/**
 * A part continues the call that its id names; without an id, the latest one, while that says that it goes on (`willContinue`, its own or
 * that of a piece of an argument). Anything else begins a new call.
 */
export function createCallNames(): CallNames {
  const named = new WeakMap<JsonNode, string>();
  const byId = new Map<string, number>();
  let calls = 0;
  let latest = -1;
  let isOpen = false;
  /** The latest call has told its id. */
  let isNamed = false;

  function numberOf(source: string, call: JsonNode): number {
    const id = stringMember(source, call, 'id');
    const open = isOpen && (id === null || !isNamed) ? latest : undefined;
    const number = (id === null ? undefined : byId.get(id)) ?? open ?? calls++;
    // A call that begins without its id may tell it later.
    isNamed = id !== null || (number === latest && isNamed);
    if (id !== null && byId.size < callsRemembered) byId.set(id, number);
    return number;
  }

  return {
    nameOf: (source, part) => {
      const call = memberOf(part, 'functionCall') ?? memberOf(part, 'function_call');
      if (call === undefined) return '';
      const before = named.get(call);
      if (before !== undefined) return before;
      latest = numberOf(source, call);
      isOpen = goesOn(call);
      const name = latest === 0 ? '' : `call ${latest}`;
      named.set(call, name);
      return name;
    },
  };
}

/** Calls of one stream that are known again by their ids; running texts have a bound of their own. */
const callsRemembered = 1024;

function goesOn(call: JsonNode): boolean {
  if (willContinue(call)) return true;
  const pieces = memberOf(call, 'partialArgs') ?? memberOf(call, 'partial_args');
  return pieces?.type === 'array' && pieces.items.some(willContinue);
}

function willContinue(node: JsonNode): boolean {
  return (memberOf(node, 'willContinue') ?? memberOf(node, 'will_continue'))?.type === 'true';
}

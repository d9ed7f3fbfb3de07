import type { Role } from './conversation.ts';
import type { Shape } from './shape.ts';

/** Whether a member of the object itself says who speaks. */
export function isByMember(role: Shape['role']): role is 'member' | 'member or user' {
  return role === 'member' || role === 'member or user';
}

/** Who speaks in a member with the shape's `role`, in an object of the role `above`. */
export function roleBelow(role: Shape['role'], above: Role): Role {
  if (role === 'member or user') return 'user';
  return role === null || role === 'member' ? above : role;
}

/** Providers spell the roles in their own ways: `model`, `function`, `agent`, `ROLE_USER`. */
export function roleOf(word: string | null): Role | null {
  switch (word?.toLowerCase().replace(/^role_/, '')) {
    case 'system':
      return 'system';
    case 'developer':
      return 'developer';
    case 'user':
      return 'user';
    case 'assistant':
    case 'model':
    case 'agent':
      return 'assistant';
    case 'tool':
    case 'function':
      return 'tool';
    default:
      return null;
  }
}

import { z } from 'zod';
import { configSchema } from './schema.ts';

/** A setting, as the reference page and error messages speak of it. */
export interface Setting {
  /** `identity.issuers[].jwks.url` */
  readonly name: string;
  readonly type: string;
  readonly description: string;
  readonly required: boolean;
  /** As JSON; null: none (a section, a list item, or what may be left out). */
  readonly fallback: string | null;
  readonly isSection: boolean;
}

/** The parts of JSON Schema that zod writes for our schema. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
}

/** JSON Schema (draft 2020-12) of the configuration file, for editors. */
export function configurationJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    $id: 'urn:countersign:configuration',
    title: 'countersign configuration',
    ...z.toJSONSchema(configSchema('.'), { io: 'input' }),
  };
}

/** All settings in the order of the schema, sections before what is in them. */
export function settings(): readonly Setting[] {
  const found: Setting[] = [];
  const walk = (schema: Schema, name: string): void => {
    const required = new Set(schema.required ?? []);
    for (const [key, member] of Object.entries(schema.properties ?? {})) {
      const path = name === '' ? key : `${name}.${key}`;
      const { inner, nullable } = unwrap(member);
      const object =
        inner.properties !== undefined
          ? inner
          : inner.items?.properties !== undefined
            ? inner.items
            : (inner.anyOf?.find(({ properties }) => properties !== undefined) ?? null);
      const fallback = member.default !== undefined ? JSON.stringify(member.default) : nullable ? 'null' : null;
      found.push({
        name: path,
        type: typeOf(inner) + (nullable ? ' or null' : ''),
        description: member.description ?? inner.description ?? '',
        required: required.has(key),
        fallback: inner.properties !== undefined && !nullable ? null : fallback,
        isSection: object !== null,
      });
      if (object !== null) walk(object, inner.items === undefined ? path : `${path}[]`);
    }
  };
  walk(z.toJSONSchema(configSchema('.'), { io: 'input' }) as Schema, '');
  return found;
}

function unwrap(schema: Schema): { readonly inner: Schema; readonly nullable: boolean } {
  const others = schema.anyOf?.filter((each) => each.type !== 'null') ?? [];
  const [inner] = others;
  return inner !== undefined && others.length === 1 ? { inner, nullable: true } : { inner: schema, nullable: false };
}

function typeOf(schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'values' : listed(schema.items)}`;
  return schema.type === 'object' ? 'section' : (schema.type ?? 'value');
}

function listed(items: Schema): string {
  if (items.enum !== undefined) return typeOf(items);
  return items.type === 'object' ? 'sections' : `${items.type ?? 'value'}s`;
}

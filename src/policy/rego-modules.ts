import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';

/** A Rego file as the compiler's parser sees it (`rego.parse_module`). */
export interface RegoModule {
  /** Relative to the policy root, with slashes. */
  readonly path: string;
  readonly ast: JsonObject;
}

/** Sets to which a rule folder may add. Any other name in it is the rule's own business. */
const ruleSets: ReadonlySet<string> = new Set(['deny', 'hold', 'redact', 'restore', 'omit', 'label', 'capture']);

/** What is wrong with how a policy folder is laid out; empty when nothing is. Each would make a rule silently ineffective. */
export function layoutProblems(modules: readonly RegoModule[]): readonly string[] {
  const problems: string[] = [];
  for (const { path, ast } of modules) {
    const [top, id, ...rest] = path.split('/');
    if (top !== 'rules') continue;
    const own = `countersign.rules.${id}`;
    const name = packageName(ast);
    if (rest.length !== 1) problems.push(`${path}: a rule's files stand directly in rules/<id>/`);
    else if (path.endsWith('_test.rego')) {
      if (name !== own && name !== `${own}_test`)
        problems.push(`${path}: the package must be ${own}_test, not ${name}`);
    } else {
      if (name !== own) problems.push(`${path}: the package must be ${own}, not ${name}`);
      for (const head of ruleHeads(ast)) {
        if (ruleSets.has(head.name) && !head.isSet) {
          problems.push(
            `${path}: write \`${head.name} contains … if …\`: a rule adds to a set, it does not set a value`,
          );
        }
      }
    }
  }
  return problems;
}

/**
 * Whether any module could read the text of a segment. Conservative: true unless every reference into `input` provably goes
 * elsewhere, so an alias (`some segment in input.conversation.segments`) counts as reading.
 */
export function readsText(modules: readonly RegoModule[]): boolean {
  return modules.some(({ ast }) => mayReadText(ast));
}

/**
 * The members of `input` that some module may read, sorted; null when that cannot be proved (`input` as a whole, or a member chosen
 * at run time). What no module reads cannot influence a decision.
 */
export function readMembers(modules: readonly RegoModule[]): readonly string[] | null {
  const members = new Set<string>();
  return modules.every(({ ast }) => collectMembers(ast, members)) ? [...members].sort() : null;
}

/** False: something of `input` is read of which only the run time knows what it is. */
function collectMembers(node: JsonValue, members: Set<string>): boolean {
  if (Array.isArray(node)) return node.every((inner) => collectMembers(inner, members));
  if (!isJsonObject(node)) return true;
  const value = node['value'];
  if (node['type'] === 'var' && value === 'input') return false;
  if (node['type'] === 'ref' && Array.isArray(value) && isInput(value[0])) {
    const member = value[1] === undefined ? null : constant(value[1]);
    if (member === null) return false;
    members.add(member);
    return value.slice(2).every((inner) => collectMembers(inner, members));
  }
  return Object.values(node).every((inner) => collectMembers(inner, members));
}

function mayReadText(node: JsonValue): boolean {
  if (Array.isArray(node)) return node.some(mayReadText);
  if (!isJsonObject(node)) return false;
  const value = node['value'];
  if (node['type'] === 'var' && value === 'input') return true;
  if (node['type'] === 'ref' && Array.isArray(value) && isInput(value[0])) {
    const [conversation, segments, , member] = value.slice(1).map(constant);
    const goesElsewhere =
      isOther(conversation, 'conversation') || isOther(segments, 'segments') || isOther(member, 'text');
    return !goesElsewhere || value.slice(1).some(mayReadText);
  }
  return Object.values(node).some(mayReadText);
}

function isInput(term: JsonValue | undefined): boolean {
  return isJsonObject(term) && term['type'] === 'var' && term['value'] === 'input';
}

function constant(term: JsonValue): string | null {
  return isJsonObject(term) && term['type'] === 'string' && typeof term['value'] === 'string' ? term['value'] : null;
}

/** A constant that is there and is not the name in question. A variable, or the reference's end, could be anything. */
function isOther(found: string | null | undefined, name: string): boolean {
  return typeof found === 'string' && found !== name;
}

function packageName(ast: JsonObject): string {
  const declaration = ast['package'];
  const path = isJsonObject(declaration) ? declaration['path'] : undefined;
  return Array.isArray(path) ? path.slice(1).map(constant).join('.') : '';
}

function ruleHeads(ast: JsonObject): readonly { readonly name: string; readonly isSet: boolean }[] {
  const rules = ast['rules'];
  if (!Array.isArray(rules)) return [];
  return rules.flatMap((rule) => {
    const head = isJsonObject(rule) ? rule['head'] : undefined;
    if (!isJsonObject(head)) return [];
    const [first] = Array.isArray(head['ref']) ? head['ref'] : [];
    const name = isJsonObject(first) ? String(first['value']) : String(head['name']);
    return [{ name, isSet: head['key'] !== undefined && head['value'] === undefined }];
  });
}

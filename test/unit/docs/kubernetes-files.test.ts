import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { checkConfig } from '../../../src/config/check.ts';
import { formatProblems } from '../../../src/config/problem.ts';

const root = new URL('../../../', import.meta.url).pathname;
const text = readFileSync(join(root, 'envoy', 'kubernetes', 'statefulset.yaml'), 'utf8');
const documents = parseAllDocuments(text).map((document) => document.toJS());
const [configMap, set] = documents;
const pod = set.spec.template.spec;
const [container] = pod.containers;

test('its configuration has no error, with what the pod is given and nothing else', () => {
  const env: Record<string, string> = {};
  for (const { name, valueFrom } of container.env) {
    env[name] = valueFrom.fieldRef === undefined ? Buffer.alloc(32, 7).toString('base64') : 'countersign-1';
  }
  const mounts: string[] = container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath);
  const file = container.volumeMounts[0].mountPath;
  const { config, problems } = checkConfig(configMap.data['countersign.yaml'], file, {
    env,
    readText: () => null,
    readPem: () => null,
    kindOf: (path) => {
      if (!mounts.some((mount) => path.startsWith(mount))) return 'missing';
      return /\.\w+$/.test(path) ? 'file' : 'directory';
    },
  });
  expect(formatProblems(file, problems)).toBe('');
  expect(config?.audit.origin).toBe('audit.example.com/prod/countersign-1');
});

test('everything that its texts name is mounted, and every port is one that it listens on', () => {
  const config: string = configMap.data['countersign.yaml'];
  const volumes = [...pod.volumes, ...set.spec.volumeClaimTemplates.map(metadataOf)].map(({ name }) => name);
  expect(container.volumeMounts.map(({ name }: { name: string }) => name).sort()).toEqual(volumes.sort());
  expect([...config.matchAll(/0\.0\.0\.0:(\d+)/g)].map(([, port]) => Number(port))).toEqual(
    container.ports.map(({ containerPort }: { containerPort: number }) => containerPort),
  );
});

test('the image holds what the service reads, and starts what the set expects', () => {
  const lines = readFileSync(join(root, 'envoy', 'kubernetes', 'Containerfile'), 'utf8').split('\n');
  const ours = lines.flatMap((line) => /^COPY (?!--from)(.*) \S+$/.exec(line)?.[1]?.split(' ') ?? []);
  expect(ours.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  expect(ours).toEqual(expect.arrayContaining(['src', 'proto', 'package-lock.json']));
  expect(lines).toContain(`CMD ["serve", "--config", "${container.volumeMounts[0].mountPath}"]`);
  expect(lines).toContain(`USER ${pod.securityContext.runAsUser}:${pod.securityContext.runAsGroup}`);
});

function metadataOf({ metadata }: { readonly metadata: { readonly name: string } }) {
  return metadata;
}

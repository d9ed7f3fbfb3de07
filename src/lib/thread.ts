import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts a thread whose entry stands beside the module at `base` (its `import.meta.url`), named without extension. From source (tests,
 * development) the thread strips types by tsx first, unless this Node does it by itself.
 */
export function startThread(base: string, name: string, options: WorkerOptions): Worker {
  const isSource = base.endsWith('.ts');
  const entry = new URL(`./${name}.${isSource ? 'ts' : 'js'}`, base);
  if (!isSource || Reflect.get(process.features, 'typescript')) return new Worker(entry, options);
  const tsx = import.meta.resolve('tsx/esm/api');
  const bootstrap = `import(${JSON.stringify(tsx)}).then((tsx) => {
    tsx.register();
    return import(${JSON.stringify(entry.href)});
  });`;
  return new Worker(bootstrap, { ...options, eval: true });
}

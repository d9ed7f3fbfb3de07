import { readdirSync } from 'node:fs';
import type { Server } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';

/** gRPC server reflection (v1 and v1alpha), so that grpcurl and its like can call without the .proto files at hand. */
export function addReflection(server: Server, protoRoot: string): void {
  const files = readdirSync(protoRoot, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.proto'))
    .sort();
  new ReflectionService(loadSync(files, { includeDirs: [protoRoot] })).addToServer(server);
}

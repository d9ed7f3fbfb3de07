/** A regular file of an archive; the path is relative, without a leading slash. */
export interface TarFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

const blockBytes = 512;

/**
 * Reads the regular files of a POSIX ustar archive (IEEE 1003.1 pax, "ustar Interchange Format"); other members are
 * skipped. Throws on a checksum that does not match, on an archive cut short and on a path that leaves its folder.
 */
export function readTar(archive: Buffer): readonly TarFile[] {
  const files: TarFile[] = [];
  let at = 0;
  while (at + blockBytes <= archive.length) {
    const header = archive.subarray(at, at + blockBytes);
    if (header.every((byte) => byte === 0)) break;
    if (octal(header, 148, 8) !== checksum(header)) throw new Error('the archive is damaged: header checksum');
    const size = octal(header, 124, 12);
    at += blockBytes;
    if (at + size > archive.length) throw new Error('the archive is cut short');
    const type = header[156];
    if (type === 0 || type === 0x30) {
      const prefix = text(header, 345, 155);
      const path = `${prefix === '' ? '' : `${prefix}/`}${text(header, 0, 100)}`.replace(/^\/+/, '');
      if (path.split('/').includes('..')) throw new Error('the archive holds a path that leaves its folder');
      files.push({ path, bytes: archive.subarray(at, at + size) });
    }
    at += Math.ceil(size / blockBytes) * blockBytes;
  }
  return files;
}

/** Writes a ustar archive whose bytes depend on paths and contents only: sorted, owner 0, time 0, mode 0644. */
export function writeTar(files: readonly TarFile[]): Buffer {
  const blocks: Buffer[] = [];
  for (const file of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    blocks.push(headerOf(file), Buffer.from(file.bytes), Buffer.alloc(-file.bytes.length & (blockBytes - 1)));
  }
  blocks.push(Buffer.alloc(2 * blockBytes));
  return Buffer.concat(blocks);
}

function headerOf(file: TarFile): Buffer {
  const path = `/${file.path}`;
  if (Buffer.byteLength(path) > 100) throw new Error(`path too long for a bundle: ${file.path}`);
  const header = Buffer.alloc(blockBytes);
  header.write(path, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${file.bytes.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** The sum of the header's bytes, its own eight counted as spaces. */
function checksum(header: Buffer): number {
  return header.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0);
}

function octal(header: Buffer, start: number, length: number): number {
  const digits = text(header, start, length).trim();
  if (!/^[0-7]+$/.test(digits)) throw new Error('the archive is damaged: header number');
  return Number.parseInt(digits, 8);
}

function text(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

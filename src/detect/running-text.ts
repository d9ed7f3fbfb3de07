/**
 * The text that rules are tried on: as a string for checks and values, and as code units, which a loop reads three times
 * faster than it can ask a string for them.
 */
export interface RunningText {
  text: string;
  /** As long as the text. */
  units: Uint16Array;
}

export function createRunningText(): RunningText {
  return { text: '', units: new Uint16Array(0) };
}

export function append(running: RunningText, piece: string): void {
  if (piece === '') return;
  const { units } = running;
  const used = units.length;
  const length = used + piece.length;
  let bytes = Buffer.from(units.buffer, units.byteOffset);
  if (units.byteOffset + 2 * length > units.buffer.byteLength || used === 0) {
    // Its own memory: what lies behind a piece of the common pool belongs to others.
    bytes = Buffer.allocUnsafeSlow(2 * (used === 0 ? length : Math.max(2 * length, growthMin)));
    bytes.set(new Uint8Array(units.buffer, units.byteOffset, 2 * used));
  }
  bytes.write(piece, 2 * used, 'utf16le');
  running.units = new Uint16Array(bytes.buffer, bytes.byteOffset, length);
  running.text += piece;
}

/** Lets go of the first units; positions move by as many. */
export function dropFirst(running: RunningText, count: number): void {
  running.text = running.text.slice(count);
  const { units } = running;
  units.copyWithin(0, count);
  running.units = new Uint16Array(units.buffer, units.byteOffset, units.length - count);
}

/** A stream's text grows by small pieces: room for many of them at once. */
const growthMin = 512;

/**
 * The sieve's two loops as WebAssembly: what all text goes through costs half of what it does as JavaScript, which checks the bounds of each
 * table at each look-up. `sieve.ts` says what they find; a test holds them against that, place by place.
 */
export interface SieveMachine {
  readonly tables: SieveTables;
  /** The units to look at: `unitsBefore` before the first place, all places, those behind the last one. */
  readonly units: Uint16Array;
  /** Where `run` leaves what it found: `index << flagBits | flags`. */
  readonly places: Int32Array;
  /** Looks at so many places, `siftedMax` at most; returns how many it left. */
  run(count: number): number;
}

export interface SieveTables {
  readonly classOf: Uint8Array;
  readonly flags: Uint8Array;
  readonly anchorRows: Int32Array;
  readonly windows: Int32Array;
}

/** Places that may be looked at in one run. */
export const siftedMax = 2_048;
/** Bits that a found place is shifted left by, to make room for its flags. */
export const flagBits = 2;
export const anchorBit = 1;
export const shortBit = 2;

interface SieveShape {
  readonly classBits: number;
  /** Units of a window before the place and in all. */
  readonly unitsBefore: number;
  readonly windowUnits: number;
}

export function createSieveMachine(shape: SieveShape): SieveMachine {
  const at = layOut(shape);
  const module = new WebAssembly.Module(moduleOf(shape, at));
  const { memory, run } = new WebAssembly.Instance(module).exports;
  const { buffer } = memory;
  const keys = 1 << (3 * shape.classBits);
  return {
    tables: {
      classOf: new Uint8Array(buffer, at.classOf, 0x10000),
      flags: new Uint8Array(buffer, at.flags, keys),
      anchorRows: new Int32Array(buffer, at.anchorRows, keys),
      windows: new Int32Array(buffer, at.windows, shape.windowUnits << shape.classBits),
    },
    units: new Uint16Array(buffer, at.units, siftedMax + shape.windowUnits),
    places: new Int32Array(buffer, at.places, siftedMax + 1),
    run,
  };
}

/** What is used of it, with the exports of the one module that is made here; the types of Node leave it out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => { readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; readonly run: SieveMachine['run'] } };
};

/** Addresses in the module's memory. */
interface Layout {
  readonly classOf: number;
  readonly flags: number;
  readonly anchorRows: number;
  readonly windows: number;
  readonly units: number;
  readonly places: number;
  readonly end: number;
}

function layOut({ classBits, windowUnits }: SieveShape): Layout {
  const keys = 1 << (3 * classBits);
  const flags = 0x10000;
  const anchorRows = flags + keys;
  const windows = anchorRows + 4 * keys;
  const units = windows + 4 * (windowUnits << classBits);
  const places = units + 4 * Math.ceil((siftedMax + windowUnits) / 2);
  return { classOf: 0, flags, anchorRows, windows, units, places, end: places + 4 * (siftedMax + 1) };
}

type Code = readonly number[];

// https://webassembly.github.io/spec/core/binary/ : the few instructions that are needed.
const op = { ne: [0x47], ltU: [0x49], add: [0x6a], and: [0x71], or: [0x72], shl: [0x74], shrU: [0x76] } as const;
const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const tee = (local: number): Code => [0x22, local];
const value = (of: number): Code => [0x41, ...signed(of)];
const load8 = (offset: number): Code => [0x2d, 0, ...unsigned(offset)];
const load16 = (offset: number): Code => [0x2f, 1, ...unsigned(offset)];
const load32 = (offset: number): Code => [0x28, 2, ...unsigned(offset)];
const store32 = (offset: number): Code => [0x36, 2, ...unsigned(offset)];
/** Runs the body at least once, and again while it leaves something else than 0. */
const again = (...body: readonly Code[]): Code => [0x03, 0x40, ...body.flat(), 0x0d, 0, 0x0b];
/** Runs the body if what is on the stack is not 0. */
const when = (...body: readonly Code[]): Code => [0x04, 0x40, ...body.flat(), 0x0b];

/** The function's locals: its parameter, then those of its own. All are addresses, keys or places. */
const count = 0;
const unit = 1;
const key = 2;
const found = 3;
const place = 4;
const last = 5;
const read = 6;
const flag = 7;
const localsOfItsOwn = 7;

function moduleOf(shape: SieveShape, at: Layout): Uint8Array<ArrayBuffer> {
  const { classBits, unitsBefore, windowUnits } = shape;
  const keyMask = (1 << (3 * classBits)) - 1;
  /** The place itself: an anchor's first unit, and the last one before the second unit, which a window is about. */
  const first = unitsBefore - 1;
  /** Class of the unit so many units behind the address in `unit`. */
  const classAt = (behind: number): Code => [...get(unit), ...load16(at.units + 2 * behind), ...load8(at.classOf)];
  const shifted: Code = [...value(classBits), ...op.shl];
  const pushed = (behind: number): Code => [...shifted, ...classAt(behind), ...op.or];

  /** Three units in a row, for each place: one more where there is a flag, else the next place is written over this one. */
  const sieved: Code = [
    ...[...classAt(first), ...pushed(first + 1), ...set(key)],
    ...again(
      [...get(key), ...pushed(first + 2), ...value(keyMask), ...op.and, ...tee(key)],
      [...load8(at.flags), ...set(flag)],
      [...get(found), ...get(place), ...get(flag), ...op.or, ...store32(at.places)],
      [...get(found), ...get(flag), ...value(0), ...op.ne, ...value(2), ...op.shl, ...op.add, ...set(found)],
      [...get(unit), ...value(2), ...op.add, ...set(unit)],
      [...get(place), ...value(1 << flagBits), ...op.add, ...tee(place), ...get(last), ...op.ltU],
    ),
  ];

  /** Of `anchorBit`: whether the fourth unit is one that may follow. */
  const anchorFlag: Code = [
    ...[...classAt(first), ...pushed(first + 1), ...pushed(first + 2), ...value(2), ...op.shl],
    ...[...load32(at.anchorRows), ...classAt(first + 3), ...op.shrU, ...value(anchorBit), ...op.and],
  ];
  const held = (index: number): Code => [
    ...[...classAt(index), ...value(2), ...op.shl, ...load32(at.windows + ((4 * index) << classBits))],
  ];
  /** Of `shortBit`: whether all units of the window share a case. */
  const shortFlag: Code = [
    ...held(0),
    ...Array.from({ length: windowUnits - 1 }, (_, i) => [...held(i + 1), ...op.and]).flat(),
    ...[...value(0), ...op.ne, ...value(1), ...op.shl],
  ];
  /** A closer look at what was found, the same way: `read` goes ahead of `found`. */
  const narrowed: Code = when(
    [...get(found), ...set(last), ...value(0), ...set(found)],
    again(
      [...get(read), ...load32(at.places), ...tee(place)],
      [...value(flagBits), ...op.shrU, ...value(1), ...op.shl, ...set(unit)],
      [...anchorFlag, ...shortFlag, ...op.or, ...get(place), ...op.and, ...value((1 << flagBits) - 1), ...op.and],
      [...set(flag), ...get(found)],
      [...get(place), ...value(-1 << flagBits), ...op.and, ...get(flag), ...op.or, ...store32(at.places)],
      [...get(found), ...get(flag), ...value(0), ...op.ne, ...value(2), ...op.shl, ...op.add, ...set(found)],
      [...get(read), ...value(4), ...op.add, ...tee(read), ...get(last), ...op.ltU],
    ),
  );
  const body: Code = [
    ...[1, localsOfItsOwn, i32],
    ...[...get(count), ...value(flagBits), ...op.shl, ...set(last)],
    ...sieved,
    ...[...get(found), ...narrowed],
    ...[...get(found), ...value(2), ...op.shrU, 0x0b],
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, 1, i32, 1, i32]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0x00, ...unsigned(Math.ceil(at.end / 0x10000))]),
    ...section(7, [2, ...named('memory'), 2, 0, ...named('run'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

const i32 = 0x7f;

function section(id: number, content: Code): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function named(name: string): number[] {
  return [name.length, ...Buffer.from(name)];
}

/** LEB128. */
function unsigned(of: number): number[] {
  return of < 0x80 ? [of] : [(of & 0x7f) | 0x80, ...unsigned(of >>> 7)];
}

function signed(of: number): number[] {
  const isLast = of >= -0x40 && of < 0x40;
  return isLast ? [of & 0x7f] : [(of & 0x7f) | 0x80, ...signed(of >> 7)];
}

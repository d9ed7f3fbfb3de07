/**
 * Undoes the cheap tricks that hide a value from patterns while people still read it: full-width and foreign digits,
 * typographic spaces, hyphens and quotes, characters that show nothing. Each UTF-16 unit becomes one unit or none, so
 * that a text can be normalised piece by piece; offsets are mapped back by `Offsets`.
 */
export function plainText(piece: string, offsets: Pick<Offsets, 'advance' | 'drop'>): string {
  if (isAscii(piece) || !special.test(piece)) {
    offsets.advance(piece.length);
    return piece;
  }
  const out = new Uint16Array(piece.length);
  let length = 0;
  for (let at = 0; at < piece.length; at++) {
    const plain = plainUnits[piece.charCodeAt(at)] ?? dropped;
    if (plain === dropped) offsets.drop();
    else {
      out[length++] = plain;
      offsets.advance(1);
    }
  }
  return Buffer.from(out.buffer, 0, 2 * length).toString('utf16le');
}

/** Node counts UTF-8 bytes many times faster than an expression could look at each unit. */
function isAscii(piece: string): boolean {
  return Buffer.byteLength(piece, 'utf8') === piece.length;
}

/** Runs of units with the unit that each (or the first, where `step` is 1) becomes; `null`: they show nothing and go. */
const substitutions: readonly (readonly [first: number, last: number, plain: string | null, step: 0 | 1])[] = [
  [0x0085, 0x0085, '\n', 0],
  [0x00a0, 0x00a0, ' ', 0],
  [0x00ad, 0x00ad, null, 0],
  [0x034f, 0x034f, null, 0],
  [0x0660, 0x0669, '0', 1],
  [0x06f0, 0x06f9, '0', 1],
  [0x0966, 0x096f, '0', 1],
  [0x1680, 0x1680, ' ', 0],
  [0x180e, 0x180e, null, 0],
  [0x2000, 0x200a, ' ', 0],
  [0x200b, 0x200f, null, 0],
  [0x2010, 0x2015, '-', 0],
  [0x2018, 0x201b, "'", 0],
  [0x201c, 0x201f, '"', 0],
  [0x2028, 0x2029, '\n', 0],
  [0x202a, 0x202e, null, 0],
  [0x202f, 0x202f, ' ', 0],
  [0x205f, 0x205f, ' ', 0],
  [0x2060, 0x2064, null, 0],
  [0x206a, 0x206f, null, 0],
  [0x2212, 0x2212, '-', 0],
  [0x3000, 0x3000, ' ', 0],
  [0x3002, 0x3002, '.', 0],
  [0xfe00, 0xfe0f, null, 0],
  [0xfe58, 0xfe58, '-', 0],
  [0xfe63, 0xfe63, '-', 0],
  [0xfeff, 0xfeff, null, 0],
  [0xff01, 0xff5e, '!', 1],
  [0xffff, 0xffff, null, 0],
];

const escapedUnit = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`;
const special = new RegExp(
  `[${substitutions.map(([first, last]) => `${escapedUnit(first)}-${escapedUnit(last)}`).join('')}]`,
);

/** A noncharacter, which itself is dropped. */
const dropped = 0xffff;

/** What each unit becomes. */
const plainUnits: Uint16Array = Uint16Array.from({ length: 0x10000 }, (_, unit) => unit);
for (const [first, last, plain, step] of substitutions) {
  for (let unit = first; unit <= last; unit++) {
    plainUnits[unit] = plain === null ? dropped : plain.charCodeAt(0) + step * (unit - first);
  }
}

/** Maps offsets of the normalised text back to the text as it came. */
export interface Offsets {
  /** Units were kept, one for one. */
  advance(units: number): void;
  /** One unit was dropped. */
  drop(): void;
  /** The original range of a normalised range that is not empty. */
  range(start: number, end: number): { readonly start: number; readonly end: number };
  /** First original offset that is not decided when everything before `end` in the normalised text is. */
  boundary(end: number): number;
  /** Another text begins. */
  restart(): void;
}

export function createOffsets(): Offsets {
  let length = 0;
  let droppedTotal = 0;
  /** For each place with drops: the normalised offset behind them, and how many there were up to it. */
  const places: number[] = [];
  const totals: number[] = [];

  function original(offset: number): number {
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((places[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? offset : offset + (totals[low - 1] ?? 0);
  }

  return {
    advance: (units) => {
      length += units;
    },
    drop: () => {
      droppedTotal++;
      if (places.at(-1) === length) totals[totals.length - 1] = droppedTotal;
      else {
        places.push(length);
        totals.push(droppedTotal);
      }
    },
    range: (start, end) => ({ start: original(start), end: original(end - 1) + 1 }),
    boundary: (end) => (end === length ? length + droppedTotal : original(end)),
    restart: () => {
      length = 0;
      droppedTotal = 0;
      places.length = 0;
      totals.length = 0;
    },
  };
}

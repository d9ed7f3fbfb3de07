/** So much text is decoded, encoded, escaped or unescaped at once: below a millisecond. Shorter ones are one piece. */
export const pieceChars = 262_144;

/** A text in pieces that cut no surrogate pair. */
export function* piecesOf(text: string): Generator<string, void> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + pieceChars, text.length);
    const isPairCut = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800 && (text.charCodeAt(end) & 0xfc00) === 0xdc00;
    if (isPairCut) end--;
    yield text.slice(at, end);
    at = end;
  }
}

/**
 * Long lines for people, broken at blanks.
 *
 * Does NOT promise: a width for words that are longer than it; they stand on a line of their own.
 */

/** A line in pieces of at most `width` characters; later ones begin two deeper than the first. */
export function wrapped(line: string, width: number): string[] {
  const indent = " ".repeat(line.length - line.trimStart().length);
  const pieces: string[] = [];
  let piece = "";
  for (const word of line.trim().split(" ")) {
    if (piece === "") piece = indent + word;
    else if (piece.length + 1 + word.length <= width) piece += ` ${word}`;
    else {
      pieces.push(piece);
      piece = `${indent}  ${word}`;
    }
  }
  return [...pieces, piece];
}

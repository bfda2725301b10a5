/**
 * Tables in generated documents.
 *
 * Does NOT promise: columns for cells of more than one line.
 */

/** A table as deno fmt wants it: columns padded; `|` in a cell is escaped. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((text) => text.replaceAll("|", "\\|")));
  const widths = head.map((_, column) =>
    Math.max(3, ...cells.map((row) => (row[column] ?? "").length))
  );
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? "").padEnd(width)).join(" | ")} |\n`;
  const [first = [], ...rest] = cells;
  return line(first) + line(widths.map((width) => "-".repeat(width))) + rest.map(line).join("");
}

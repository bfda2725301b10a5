/**
 * Findings as people read them: a short story for each root cause.
 *
 *   1. The daemon of n1 is stopped: ...                                 error, daemon_stopped
 *      why   process 4711 is in state T ...
 *      next  its supervisor kills it ... in 12 s at the latest
 *      do    kill -CONT 4711
 *      also  n1 has no lease
 *
 * Does NOT promise: lines that can be parsed; -o json has all of it.
 */

import type { Finding } from "../../actors/explain/explain.ts";
import { listed } from "../../actors/explain/words.ts";
import { oneLine } from "../output.ts";

/** The heads of paragraphs, as wide as the widest. */
const HEADS = { why: "why ", next: "next", do: "do  ", also: "also" } as const;
const INDENT = "   ";
/** Lines are broken at this width at least. */
const COLUMNS_MIN = 60;

/** How it may look. */
export interface StoryLook {
  readonly columns: number;
  readonly color: boolean;
}

/** The story of all findings. */
export function storyText(findings: readonly Finding[], look: StoryLook): string {
  return findings.map((finding, index) => story(finding, index + 1, look)).join("\n");
}

function story(finding: Finding, number: number, look: StoryLook): string {
  const { id, title, severity, evidence, next, commands, also } = finding;
  const head = `${number}. ${oneLine(title)}`;
  const lines = [look.color ? `\x1b[1m${head}\x1b[0m` : head, `${INDENT}(${severity}, ${id})`];
  for (const [index, line] of evidence.entries()) {
    lines.push(...paragraph(index === 0 ? HEADS.why : "", line, look));
  }
  for (const [index, line] of next.entries()) {
    lines.push(...paragraph(index === 0 ? HEADS.next : "", line, look));
  }
  // Commands stay whole: they are to be copied.
  for (const [index, line] of commands.entries()) {
    lines.push(`${INDENT}${index === 0 ? HEADS.do : "    "}  ${oneLine(line)}`);
  }
  for (const [index, line] of alsoLines(also).entries()) {
    lines.push(...paragraph(index === 0 ? HEADS.also : "", line, look));
  }
  return `${lines.join("\n")}\n`;
}

/** A line for each cause, with the nodes that share it. */
function alsoLines(also: readonly Finding[]): string[] {
  return [...Map.groupBy(also, ({ id }) => id)].map(([id, [first, ...more]]) => {
    const others = more.flatMap(({ node }) => node ?? []);
    return `${first?.title ?? ""}${others.length === 0 ? "" : `; so ${listed(others)}`} (${id})`;
  });
}

/** A paragraph under its head, broken at blanks. */
function paragraph(head: string, text: string, { columns }: StoryLook): string[] {
  const before = `${INDENT}${head.padEnd(HEADS.why.length)}  `;
  const width = Math.max(COLUMNS_MIN, columns) - before.length;
  const lines: string[] = [];
  let line = "";
  for (const word of oneLine(text).split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `  ${word}`;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((each, index) => `${index === 0 ? before : " ".repeat(before.length)}${each}`);
}

/**
 * A small scanner for TypeScript, for build/floors.ts: TypeScript 7 has no interface for programs.
 *
 *   source   import { a } from "./b.ts"; // why
 *   code     import { a } from "      ";           same length; comments and texts are blank
 *
 * So rules can look for words in `code` without being fooled, and read the text at the same place
 * in `source`.
 *
 * Does NOT promise: to understand TypeScript. A regular expression after `)` or `}` is taken for a
 * division.
 */

/** A module that a file names: import, export from, import() or new URL("....ts"). */
export interface ImportOf {
  readonly specifier: string;
  /** 1 is the first. */
  readonly line: number;
  /** `import type`: gone at run time. */
  readonly isTypeOnly: boolean;
}

/** The body of a function. */
export interface Body {
  /** Line of the opening brace, 1 is the first. */
  readonly line: number;
  /** Lines from brace to brace, both counted. */
  readonly lineCount: number;
}

/**
 * Blanks comments, and what is inside of strings, template texts and regular expressions. Keeps
 * line ends.
 */
export function blank(source: string): string {
  const out: string[] = [];
  const keep = (end: number) => out.push(source.slice(at, at = end));
  const hide = (end: number) => out.push(source.slice(at, at = end).replace(/[^\n]/g, " "));
  /** Depth of braces at which each open `${` ends. */
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  while (at < source.length) {
    const char = source[at] ?? "";
    if (source.startsWith("//", at)) hide(endOr(source, source.indexOf("\n", at)));
    else if (source.startsWith("/*", at)) hide(endOr(source, source.indexOf("*/", at + 2), 2));
    else if (char === '"' || char === "'") {
      const end = closing(source, at + 1, char);
      keep(at + 1);
      hide(end);
      keep(end + 1);
    } else if (char === "`" || (char === "}" && templates.at(-1) === depth)) {
      if (char === "}") templates.pop();
      keep(at + 1);
      hide(templateEnd(source, at));
      if (source.startsWith("${", at)) {
        templates.push(depth);
        keep(at + 2);
      } else keep(at + 1);
    } else if (char === "/" && startsRegExp(out)) {
      const end = regExpEnd(source, at + 1);
      keep(at + 1);
      hide(end);
      keep(end + 1);
    } else {
      if (char === "{") depth += 1;
      if (char === "}") depth -= 1;
      keep(at + 1);
    }
  }
  return out.join("");
}

/** The modules that a file names. `code` is blank(source). */
export function importsOf(source: string, code: string): ImportOf[] {
  const found: ImportOf[] = [];
  const forms = [
    /\b(?:import|export)\b(\s+type\b)?[^;"'`()=]*?\bfrom\s*["']/g,
    /\bimport\s*["']/g,
    /\bimport\s*\(\s*["']/g,
    /\bnew\s+URL\s*\(\s*["'](?= *["']\s*,\s*import\.meta\.url)/g,
  ];
  for (const form of forms) {
    for (const match of code.matchAll(form)) {
      const start = match.index + match[0].length;
      const specifier = source.slice(start, closing(source, start, source[start - 1] ?? '"'));
      found.push({ specifier, line: lineAt(code, start), isTypeOnly: match[1] !== undefined });
    }
  }
  return found;
}

/** The bodies of functions, methods and arrow functions with braces. `code` is blank(source). */
export function bodiesOf(code: string): Body[] {
  const bodies: Body[] = [];
  const open: { line: number; isFunction: boolean }[] = [];
  let line = 1;
  for (let at = 0; at < code.length; at++) {
    const char = code[at];
    if (char === "\n") line += 1;
    else if (char === "{") open.push({ line, isFunction: opensFunction(code.slice(0, at)) });
    else if (char === "}") {
      const start = open.pop();
      if (start?.isFunction) bodies.push({ line: start.line, lineCount: line - start.line + 1 });
    }
  }
  return bodies;
}

/** 1 for the first line. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/**
 * Whether a brace after this text begins a function: `=> {`, `) {`, `): Type {`, but not `if (...)
 * {`.
 */
function opensFunction(before: string): boolean {
  const near = before.slice(-2000).trimEnd();
  if (near.endsWith("=>")) return true;
  const end = /\)\s*(?::[^;{}()=]*)?$/.exec(near);
  if (end === null) return false;
  let depth = 0;
  for (let at = end.index; at >= 0; at--) {
    if (near[at] === ")") depth += 1;
    if (near[at] === "(") depth -= 1;
    if (depth > 0) continue;
    const word = /([\w$]+)\s*$/.exec(near.slice(0, at))?.[1];
    return word === undefined || !["if", "for", "while", "switch", "catch", "await"].includes(word);
  }
  return false;
}

function endOr(source: string, index: number, length = 0): number {
  return index < 0 ? source.length : index + length;
}

/** Index of the closing quote; the end of the line for one that is never closed. */
function closing(source: string, start: number, quote: string): number {
  let at = start;
  while (at < source.length && source[at] !== quote && source[at] !== "\n") {
    at += source[at] === "\\" ? 2 : 1;
  }
  return Math.min(at, source.length);
}

/** Index of the next "${" or "`" after a template's opening. */
function templateEnd(source: string, start: number): number {
  let at = start;
  while (at < source.length && source[at] !== "`" && !source.startsWith("${", at)) {
    at += source[at] === "\\" ? 2 : 1;
  }
  return Math.min(at, source.length);
}

function regExpEnd(source: string, start: number): number {
  let inClass = false;
  let at = start;
  while (at < source.length && source[at] !== "\n" && (inClass || source[at] !== "/")) {
    if (source[at] === "[") inClass = true;
    if (source[at] === "]") inClass = false;
    at += source[at] === "\\" ? 2 : 1;
  }
  return Math.min(at, source.length);
}

/** A slash begins a regular expression unless a value stands before it. */
function startsRegExp(out: readonly string[]): boolean {
  const before = out.slice(-200).join("").trimEnd();
  if (/\b(?:return|typeof|case|in|of|void|await)$/.test(before)) return true;
  return !/[\w$)\]}"'`]$/.test(before);
}

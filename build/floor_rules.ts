/**
 * The rules of build/floors.ts, each a function from a file to what is wrong with it.
 *
 * Does NOT promise: order; each rule stands alone.
 */

import { posix } from "node:path";
import type { SourceFile } from "./floors.ts";
import { bodiesOf, lineAt } from "./scan.ts";

/** What is wrong, and where. */
export interface Finding {
  /** 1 is the first. */
  readonly line: number;
  readonly text: string;
}

/** Longest file; generated ones apart. */
export const FILE_LINES_MAX = 400;
/** Longest function, from brace to brace. */
export const FUNCTION_LINES_MAX = 60;
/** Longest line. deno fmt keeps code to 100; a comment's drawing may need more. */
export const LINE_COLUMNS_MAX = 120;

const GENERATED = ["assembly/host/kernels_wasm.ts"];

/**
 * Each floor with the floors below that it may import; the longest matching path is a file's floor.
 */
const FLOORS: Record<string, readonly string[]> = {
  "assembly/host": [],
  "assembly": [],
  "transport/wire": ["assembly/host"],
  "transport": ["assembly/host", "transport/wire"],
  "actors/machines": ["assembly/host", "transport/wire", "transport"],
  "actors/storage": ["assembly/host", "transport/wire", "transport"],
  "actors": ["assembly/host", "transport/wire", "transport", "actors/machines", "actors/storage"],
  "cli": [
    "assembly/host",
    "transport/wire",
    "transport",
    "actors/machines",
    "actors/storage",
    "actors",
  ],
};

/** Each npm package and where it may be imported: a file, or a folder with a slash at its end. */
const PACKAGES: Record<string, readonly string[]> = {
  "@logtape/logtape": ["transport/real_log.ts"],
  "@nats-io/jetstream": ["transport/real_kv.ts"],
  "@nats-io/kv": ["transport/real_kv.ts"],
  // Apart from "nats", which takes six times as long to load: many commands look at keys, few connect.
  "@nats-io/nkeys": ["transport/real_nkeys.ts", "test/transport/real_nkeys.test.ts"],
  "assemblyscript": ["build/wasm.ts"],
  "binaryen": ["build/wasm.ts"],
  "cbor-x": [
    "transport/wire/client/value_codec.ts",
    "transport/wire/codec.ts",
    "transport/wire/event_codec.ts",
    "test/",
  ],
  "comlink": ["actors/worker.ts", "actors/data_remote.ts"],
  "commander": ["cli/", "test/cli/"],
  "fast-check": ["test/"],
  "nats": [
    "transport/real_bus.ts",
    "transport/real_bus_refusals.ts",
    "transport/real_nats_login.ts",
    "test/live/nats_client.ts",
  ],
  "prom-client": ["cli/metrics_text.ts"],
  "smol-toml": ["cli/"],
  "typebox": ["test/cli/", "test/live/", "test/transport/wire/check.test.ts", "transport/wire/"],
  "uvu": ["test/"],
};

/**
 * Words of the world: time, dice, timers, processes, the runtimes themselves. queueMicrotask is
 * none.
 */
const WORLD = [
  /\bDate\b/,
  /\bMath\.random\b/,
  /\b(?:set|clear)(?:Timeout|Interval|Immediate)\b/,
  /\bperformance\b/,
  /\bcrypto\b/,
  /\bprocess\b/,
  /\bconsole\b/,
  /\bDeno\b/,
  /\bBun\b/,
];

/** The rules by name. */
export const RULES: Record<string, (file: SourceFile) => Finding[]> = {
  "import direction": importDirection,
  "adapter imported": adapterImported,
  "purity": purity,
  "npm package": npmPackage,
  "file name": fileName,
  "file length": fileLength,
  "function length": functionLength,
  "line length": lineLength,
  "head comment": headComment,
  "undocumented export": undocumentedExport,
  "default export": defaultExport,
  "barrel": barrel,
  "module state": moduleState,
};

/** Where the library is put together: it may use adapters, and nothing of the house may import it but cli. */
const LIBRARY = "actors/mod.ts";

/** Adapters: the only files that may touch the world. */
export function isAdapter(path: string): boolean {
  if (path === LIBRARY) return true;
  return /^(?:cli|test|build)\/|^transport\/(?:real_|ffi)[^/]*\.ts$|^transport\/[^/]*_worker\.ts$/
    .test(path);
}

/** The floor of a path; undefined for test and build, which stand outside of the house. */
function floorOf(path: string): string | undefined {
  const floors = Object.keys(FLOORS).filter((floor) => path.startsWith(`${floor}/`));
  return floors.sort((one, other) => other.length - one.length)[0];
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith("./") || specifier.startsWith("../");
}

function targetOf(file: SourceFile, specifier: string): string {
  return posix.join(posix.dirname(file.path), specifier);
}

function importDirection(file: SourceFile): Finding[] {
  const own = floorOf(file.path);
  if (own === undefined) return [];
  const below = [own, ...(FLOORS[own] ?? [])];
  return file.imports.filter(({ specifier }) => isRelative(specifier)).flatMap(
    ({ specifier, line }) => {
      const target = targetOf(file, specifier);
      const floor = floorOf(target);
      if (floor !== undefined && below.includes(floor)) return [];
      return [{ line, text: `${own} may not import ${target}` }];
    },
  );
}

function adapterImported(file: SourceFile): Finding[] {
  if (isAdapter(file.path)) return [];
  return file.imports.filter(({ specifier, isTypeOnly }) => isRelative(specifier) && !isTypeOnly)
    .filter(({ specifier }) => isAdapter(targetOf(file, specifier)))
    .map(({ specifier, line }) => ({ line, text: `${specifier} is an adapter; take a port` }));
}

function purity(file: SourceFile): Finding[] {
  if (isAdapter(file.path) || GENERATED.includes(file.path)) return [];
  const findings: Finding[] = file.imports.filter(({ specifier }) =>
    /^(?:node|bun):/.test(specifier)
  )
    .map(({ specifier, line }) => ({ line, text: `${specifier} outside of an adapter` }));
  for (const word of WORLD) {
    // Not a property (x.process) and not a key (process: 1).
    const global = new RegExp(`(?<![.\\w$#])${word.source}(?!\\s*\\??:)`, "g");
    for (const match of file.code.matchAll(global)) {
      findings.push({
        line: lineAt(file.code, match.index),
        text: `${match[0]} outside of an adapter`,
      });
    }
  }
  return findings;
}

function npmPackage(file: SourceFile): Finding[] {
  const named = file.imports.filter(({ specifier }) =>
    !isRelative(specifier) && !/^(?:node|bun):/.test(specifier)
  );
  return named.flatMap(({ specifier, line }) => {
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
    // AssemblyScript names its own files without an ending; nothing else may be named there.
    const places = PACKAGES[name] ?? [];
    const isPlace = places.some((place) =>
      place.endsWith("/") ? file.path.startsWith(place) : file.path === place
    );
    return isPlace ? [] : [{ line, text: `${name} may not be imported here` }];
  });
}

function fileName(file: SourceFile): Finding[] {
  const name = posix.basename(file.path);
  const isVague = /(?:^|_)(?:utils?|helpers?|common|managers?|handlers?|misc)(?:_|\.)/.test(name);
  if (/^[a-z][a-z0-9_]*(?:\.test)?\.ts$/.test(name) && !isVague) return [];
  return [{ line: 1, text: `${name} is no lower-case noun` }];
}

function fileLength(file: SourceFile): Finding[] {
  const lineCount = file.source.trimEnd().split("\n").length;
  if (lineCount <= FILE_LINES_MAX || GENERATED.includes(file.path)) return [];
  return [{ line: lineCount, text: `${lineCount} lines; ${FILE_LINES_MAX} at most` }];
}

function functionLength(file: SourceFile): Finding[] {
  return bodiesOf(file.code).filter((body) => body.lineCount > FUNCTION_LINES_MAX)
    .map(({ line, lineCount }) => ({
      line,
      text: `function of ${lineCount} lines; ${FUNCTION_LINES_MAX} at most`,
    }));
}

function lineLength(file: SourceFile): Finding[] {
  return file.source.split("\n").flatMap((text, index) => {
    if ([...text].length <= LINE_COLUMNS_MAX) return [];
    return [{ line: index + 1, text: `line over ${LINE_COLUMNS_MAX} columns` }];
  });
}

function headComment(file: SourceFile): Finding[] {
  const head = /^(?:(?:#!|\/\/).*\n)*\/\*\*[\s\S]*?\*\//.exec(file.source)?.[0];
  if (head === undefined) return [{ line: 1, text: "the file starts without a head comment" }];
  if (file.path.endsWith(".test.ts") || head.includes("Does NOT promise:")) return [];
  return [{ line: 1, text: 'the head comment lacks "Does NOT promise:"' }];
}

function undocumentedExport(file: SourceFile): Finding[] {
  if (file.path.endsWith(".test.ts")) return [];
  const lines = file.source.split("\n");
  const declares =
    /^export (?:declare |abstract |async )*(?:function\*?|class|const|let|interface|type) (\w+)/;
  return file.code.split("\n").flatMap((text, index) => {
    const name = declares.exec(text)?.[1];
    if (name === undefined) return [];
    let above = index - 1;
    // AssemblyScript's decorators stand between; constants in an unbroken run share the comment
    // above the first.
    const between = /^\s*@|^\/\/ deno-lint-ignore|^\/\/ @ts-ignore|^export (?:const|type) \w+.*;/;
    while (between.test(lines[above] ?? "")) above -= 1;
    const before = (lines[above] ?? "").trim();
    const isSaidBeside = /;\s*\/\/ \S/.test(lines[index] ?? "");
    // An earlier signature of the same function carries the comment.
    if (before.endsWith("*/") || isSaidBeside || before.includes(`function ${name}(`)) return [];
    return [{ line: index + 1, text: `${name} has no doc comment` }];
  });
}

function defaultExport(file: SourceFile): Finding[] {
  return [...file.code.matchAll(/\bexport\s+default\b|\bas\s+default\b/g)]
    .map((match) => ({ line: lineAt(file.code, match.index), text: "default export" }));
}

function barrel(file: SourceFile): Finding[] {
  if (posix.basename(file.path) === "mod.ts" || file.path === "assembly/index.ts") return [];
  const all = /\bexport\s*\*/.exec(file.code);
  if (all !== null) return [{ line: lineAt(file.code, all.index), text: "export *" }];
  const passedOn = /\bexport\s+(?:type\s+)?\{[^}]*\}\s*from\s*["'] *["'];?/g;
  const rest = file.code.replace(passedOn, "").replace(/\bimport\b[^;]*;/g, "").trim();
  if (rest !== "" || file.imports.length === 0 || !/\bexport\b/.test(file.code)) return [];
  return [{ line: 1, text: "a file that only passes others' names on" }];
}

function moduleState(file: SourceFile): Finding[] {
  // In AssemblyScript a top-level `let` is a global of the instance, of which a thread has one.
  if (floorOf(file.path) === "assembly") return [];
  return [...file.code.matchAll(/^(?:export )?(?:let|var) \w+/gm)]
    .map((match) => ({
      line: lineAt(file.code, match.index),
      text: `${match[0]} at module level`,
    }));
}

/**
 * Runs a program of test/netns as root of namespaces made for it.
 *
 * Does NOT promise: that namespaces can be made here; `whyNot` says so before.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/**
 * Namespaces of network, mounts and processes; with the first process in them all others end. Whoever is not root gets
 * one of users, too, in which it is; there no process may raise its priority, as daemons do.
 */
const UNSHARE = [
  process.getuid?.() === 0 ? "-nmpf" : "-rnmpf",
  "--mount-proc",
  "--kill-child",
];
/** What the programs need to be allowed. */
const PROBE = [
  "mount -t tmpfs tmpfs /run",
  "ip link add a0 type veth peer name b0",
  "ip link add a1 type bridge",
  "ip netns add n0",
  "ip netns exec n0 ip link",
].join(" && ");

/** Why namespaces cannot be made here; undefined: they can. */
export function whyNot(): string | undefined {
  const options = { encoding: "utf8" } as const;
  const { status, stderr, error } = spawnSync("unshare", [...UNSHARE, "sh", "-c", PROBE], options);
  if (status === 0) return undefined;
  return (error?.message ?? stderr.trim()) || `exit code ${status}`;
}

/** What a program did. */
export interface InsideEnd {
  readonly code: number | null;
  /** All that it has said. */
  readonly text: string;
}

/** Runs a file of this folder by the runtime of this process; it ends when its input does, with this process. */
export async function inside(
  file: string,
  words: readonly string[],
  onText: (part: string) => void = () => {},
): Promise<InsideEnd> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-inside-"));
  const path = fileURLToPath(new URL(`./${file}`, import.meta.url));
  const options = process.execPath.includes("deno") ? ["run", "-A"] : [];
  const child = spawn("unshare", [...UNSHARE, process.execPath, ...options, path, ...words], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: folder },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      onText(part);
    });
  }
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    return { code, text };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

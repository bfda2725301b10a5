/**
 * `ctdbx top` at a real terminal (util-linux' script makes one): it takes the screen, hears keys, follows the size, and
 * gives the terminal back however it ends. What it shows comes from a server on which this test speaks for the nodes.
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NatsServer } from "../../transport/real_nats_server.ts";
import { heartbeat, stats, tagFor } from "../cli/board_fixture.ts";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { program } from "./cli_world.ts";
import { eventually } from "./dev_rig.ts";
import { NatsRig } from "./nats.ts";

interface Context {
  rig: NatsRig;
  server: NatsServer;
  endTelling: () => void;
}

const test = suite<Context>("top at a terminal");
const TAKEN = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const GIVEN_BACK = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/** Heartbeats of this test come so often that nobody waits for the next, ms. */
const TELL_EVERY_MS = 100;

test.before(limit(20_000, async (context) => {
  context.rig = new NatsRig();
  context.server = await context.rig.server();
  const bus = await context.rig.bus(`127.0.0.1:${context.server.port}`);
  const timer = setInterval(() => {
    for (const n of [0, 1, 2]) {
      for (const { topic, event } of [heartbeat(n), stats(n)]) {
        const text = JSON.stringify(event);
        bus.publish(`ctdbx.edge.ev.${topic}.from.${tagFor(n)}`, new TextEncoder().encode(text));
      }
    }
  }, TELL_EVERY_MS);
  context.endTelling = () => clearInterval(timer);
}));
test.after(limit(20_000, async ({ rig, endTelling }) => {
  endTelling?.();
  await rig?.end();
}));

/** A terminal with `top` in it. */
class Terminal {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  out = "";

  constructor(port: number, words: readonly string[] = []) {
    const [runtime, options] = program();
    const all = [
      runtime,
      ...options,
      "top",
      "--nats",
      `127.0.0.1:${port}`,
      "--cluster",
      "edge",
      ...words,
    ];
    const line = all.map((word) => `'${word}'`).join(" ");
    // The size of the new terminal is set inside of it; the tty is back in its old mode when stty says so at the end.
    const shell =
      `stty rows 12 cols 90; stty -g > /dev/null; ${line}; echo "code $?"; stty -a | tr ';' '\\n'`;
    this.child = spawn(tool("script"), ["-qec", shell, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, TERM: "xterm", NO_COLOR: "1" },
    });
    this.child.stdout?.on("data", (bytes) => this.out += String(bytes));
    this.ended = new Promise((resolve) => this.child.on("close", (code) => resolve(code)));
  }

  type(keys: string): void {
    this.child.stdin?.write(keys);
  }

  /** The frame that was drawn last, as lines. */
  frame(): string[] {
    const [, ...frames] = this.out.split("\x1b[H");
    const text = frames.at(-1) ?? "";
    const end = text.indexOf("\x1b[J");
    return (end < 0 ? "" : text.slice(0, end)).split(/\r+\n/).map((line) =>
      line.replace("\x1b[K", "").replace("\x1b[1m", "").replace("\x1b[0m", "")
    );
  }

  async seen(what: string, isSo: (frame: string[]) => boolean): Promise<void> {
    await eventually(what, () => isSo(this.frame()));
  }

  /** It has ended by itself: the exit code, and the terminal is as it was. */
  async over(): Promise<string> {
    await this.ended;
    const back = this.out.lastIndexOf(GIVEN_BACK);
    assert.ok(this.out.indexOf(TAKEN) >= 0 && back > this.out.lastIndexOf("\x1b[H"), "given back");
    const after = this.out.slice(back);
    assert.match(after, /\bicanon\b/, "keys are the shell's again");
    assert.not.match(after, /-icanon|-echo\b|-isig/);
    return /code (\d+)/.exec(after)?.[1] ?? "";
  }

  end(): void {
    this.child.kill("SIGKILL");
  }
}

const names = (frame: string[]): string =>
  frame.slice(2, 5).map((line) => line.slice(0, 2)).join(" ");

for (const [key, name] of [["q", "q"], ["\x03", "Ctrl-C"], ["\x04", "Ctrl-D"]] as const) {
  test(
    `${name} ends it; the terminal is as it was`,
    limit(30_000, async ({ server }) => {
      const terminal = new Terminal(server.port);
      try {
        await terminal.seen("three nodes", (frame) => names(frame) === "n0 n1 n2");
        assert.match(
          terminal.frame()[0] ?? "",
          /^ctdbx top {3}edge {3}leader n0 {3}3 of 3 nodes ok/,
        );
        assert.match(terminal.frame().at(-1) ?? "", /^q quit {3}sort by number/);
        assert.is(terminal.frame().length, 12, "the whole screen");
        for (const line of terminal.frame()) assert.ok(line.length <= 90, JSON.stringify(line));
        terminal.type(key);
        assert.is(await terminal.over(), "0");
      } finally {
        terminal.end();
      }
    }),
  );
}

test(
  "keys sort at once; others do nothing",
  limit(30_000, async ({ server }) => {
    const terminal = new Terminal(server.port, ["--every", "60"]);
    try {
      await terminal.seen("a frame", (frame) => /q quit/.test(frame.at(-1) ?? ""));
      // The next frame would come in a minute: only a key makes one.
      await eventually("all are heard", () => {
        terminal.type("t");
        return names(terminal.frame()) === "n0 n1 n2";
      });
      terminal.type("xyz\x1b[A");
      terminal.type("r");
      await terminal.seen("reversed", (frame) => names(frame) === "n2 n1 n0");
      assert.match(terminal.frame().at(-1) ?? "", "sort by traffic, reversed");
      terminal.type("q");
      assert.is(await terminal.over(), "0");
    } finally {
      terminal.end();
    }
  }),
);

test(
  "--count ends it after so many frames",
  limit(30_000, async ({ server }) => {
    const terminal = new Terminal(server.port, ["--count", "2", "--every", "0.1"]);
    try {
      assert.is(await terminal.over(), "0");
      assert.ok(terminal.out.split("\x1b[H").length >= 3);
    } finally {
      terminal.end();
    }
  }),
);

test.run();

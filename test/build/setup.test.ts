/**
 * Set-up gets what is missing, by the way that is open, and names the reason of what stays missing.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Machine, setUp } from "../../build/setup.ts";
import { NATS_SERVER, TOOLS } from "../../build/tools.ts";

/**
 * A machine of which `present` is there, and where a program's run does `effect` or fails with its
 * text.
 */
function machine(
  present: Set<string>,
  isRoot: boolean,
  effect: (command: string) => string | undefined,
): Machine & { commands: string[] } {
  const commands: string[] = [];
  return {
    commands,
    isRoot,
    cache: "/cache",
    find: ({ name }) => present.has(name) ? `/bin/${name}` : undefined,
    run: (program, args, folder) => {
      const command = `${folder}$ ${program} ${args.join(" ")}`;
      commands.push(command);
      return effect(command);
    },
  };
}

const everything = () => new Set([...TOOLS, NATS_SERVER].map((tool) => tool.name));

function without(...names: string[]): Set<string> {
  const set = everything();
  for (const name of names) set.delete(name);
  return set;
}

const setup = suite("build/setup");

setup("a complete machine is left alone", () => {
  const here = machine(everything(), true, () => "must not run");
  assert.equal(setUp(here), {});
  assert.equal(here.commands, []);
});

setup("root installs the missing packages, each once, after an update", () => {
  const present = without("tdbtool", "tdbdump", "strace");
  const here = machine(present, true, (command) => {
    if (command.includes(" install ")) {
      for (const name of ["tdbtool", "tdbdump", "strace"]) present.add(name);
    }
    return undefined;
  });
  assert.equal(setUp(here), {});
  assert.equal(here.commands, [
    "/$ apt-get update",
    "/$ apt-get install -y --no-install-recommends tdb-tools strace",
  ]);
});

setup("without root nothing is installed, and the reason says what to do", () => {
  const here = machine(without("gcc"), false, () => undefined);
  assert.equal(setUp(here), { gcc: "not root: install it with: apt-get install gcc" });
  assert.equal(here.commands, []);
});

setup("when apt fails the reason is its own text", () => {
  const failing = (command: string) => command.includes("install") ? "E: no network" : undefined;
  const here = machine(without("gcc"), true, failing);
  assert.equal(setUp(here), { gcc: "apt-get: E: no network" });
});

setup("a package that lacks its program is told apart from one that could not be installed", () => {
  const here = machine(without("gcc"), true, () => undefined);
  assert.match(setUp(here)["gcc"] ?? "", /is installed, but has no gcc/);
});

setup("nats-server is unpacked into the cache without root", () => {
  const present = without(NATS_SERVER.name);
  const here = machine(present, false, (command) => {
    if (command.includes("dpkg -x")) present.add(NATS_SERVER.name);
    return undefined;
  });
  assert.equal(setUp(here), {});
  assert.equal(here.commands[0], "/cache$ apt-get download nats-server");
  assert.is(here.commands.length, 2);
});

setup("root renews apt's lists once when they do not know nats-server", () => {
  let isRenewed = false;
  const here = machine(without(NATS_SERVER.name), true, (command) => {
    if (command.includes("update")) isRenewed = true;
    return isRenewed ? undefined : "E: unable to locate";
  });
  assert.match(setUp(here)[NATS_SERVER.name] ?? "", /unpacked, but has no program/);
  assert.is(here.commands.filter((command) => command.includes("download")).length, 2);
});

setup.run();

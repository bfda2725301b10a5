/** A daemon that does not run: said with the command that starts just this one. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pathsInHome } from "../../cli/config.ts";
import { Daemon } from "../../cli/control_client.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { Failure } from "../../cli/failure.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Host } from "../../transport/world.ts";

const test = suite<{ home: string }>("cli/control_client", { home: "" });

test.before((context) => void (context.home = mkdtempSync(join(tmpdir(), "ctdbx-control-"))));
test.after(({ home }) => rmSync(home, { recursive: true, force: true }));

/** A machine on which nobody listens. */
const NOBODY = {
  dial: (path: string) =>
    Promise.reject(new CtdbxError("not_found", `Cannot connect to ${path}: ENOENT`)),
} as unknown as Host;

for (
  const [what, config, command] of [
    ["in a folder of its own", undefined, "ctdbx daemon start --home HOME"],
    ["of the machine", "/etc/ctdbx/edge-1.toml", "ctdbx daemon start --node-name edge-1"],
  ] as const
) {
  test(`a node ${what} that does not run`, async ({ home }) => {
    const paths = pathsInHome(home);
    const asked = Daemon.dial(NOBODY, { ...paths, config: config ?? paths.config });
    const failure = await asked.then(() => undefined, (thrown: unknown) => thrown);
    assert.instance(failure, Failure);
    const { exit, message, hint } = failure as Failure;
    assert.is(exit, EXIT.notFound);
    assert.match(message, "Cannot reach the daemon: Cannot connect to");
    assert.is(hint, `\`${command.replace("HOME", home)}\` starts it`);
  });
}

test.run();

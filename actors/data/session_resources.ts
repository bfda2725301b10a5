/**
 * What a program asks about resources: questions in JSON with "do": "resource", and what is to be done as "what".
 *
 *   offer { id, name }   withdraw { id }   say { said }   news ─▶ { orders }, as soon as there are any
 *
 * The desk is with the main thread (actors/resources/desk.ts); here questions are looked at, and handed on.
 *
 * Does NOT promise: an answer to `news` before there is something to tell.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { resourceName, RESOURCES_MAX } from "../../transport/wire/resource.ts";
import type { ResourceAnswer, ResourceAsk, ResourceSaid } from "../resources/words.ts";
import type { Session } from "./session.ts";

type Args = Readonly<Record<string, unknown>>;

const U32 = 0xffff_ffff;
/** A reason of a program, characters; longer ones are cut. */
const WHY_MAX = 200;
const DID = ["taken", "released", "failed"] as const;

/** One program's. */
export class SessionResources {
  readonly #session: Session;
  /** Does the desk know of it? */
  #isKnown = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Hands a question on. Rejects with CtdbxError: "unsupported", "state", and the desk's "exists", "limit". */
  async ask(args: Args): Promise<ResourceAnswer> {
    const { parts: { host, files }, isClosed } = this.#session;
    if (host.resources === undefined) {
      throw new CtdbxError(
        "unsupported",
        "Cannot own resources: this node is of a version without",
      );
    }
    if (files === undefined) {
      const why = "the node of this machine lends them, and over NATS alone there is none";
      throw new CtdbxError("unsupported", `Cannot own resources: ${why}`);
    }
    const ask = this.#askOf(args);
    if (isClosed) return { orders: [] };
    this.#isKnown = true;
    return await host.resources(ask);
  }

  #askOf(args: Args): ResourceAsk {
    const { client, callerPid: pid, program } = this.#session;
    switch (args["what"]) {
      case "offer":
        return { what: "offer", client, pid, program, id: number(args, "id"), name: nameOf(args) };
      case "withdraw":
        return { what: "withdraw", client, id: number(args, "id") };
      case "say":
        return { what: "say", client, said: saidOf(args) };
      case "news":
        return { what: "news", client };
    }
    throw wrong("what", "a question about resources");
  }

  /** The program has gone. */
  end(): void {
    const { client, parts: { host, log } } = this.#session;
    if (!this.#isKnown) return;
    host.resources?.({ what: "ended", client }).catch((error) => {
      log.write("error", "The end of a program cannot be told", { error });
    });
  }
}

function nameOf(args: Args): ReturnType<typeof resourceName> {
  try {
    return resourceName(args["name"]);
  } catch (error) {
    throw new CtdbxError("state", error instanceof Error ? error.message : String(error));
  }
}

function saidOf(args: Args): ResourceSaid[] {
  const said = args["said"];
  if (!Array.isArray(said) || said.length > RESOURCES_MAX) throw wrong("said", "a list");
  return said.map((one: unknown): ResourceSaid => {
    if (typeof one !== "object" || one === null) throw wrong("said", "a list of objects");
    const { did: word, why } = one as Args;
    const did = DID.find((each) => each === word);
    if (did === undefined) throw wrong("did", DID.join(", "));
    const reason = typeof why === "string" ? { why: why.slice(0, WHY_MAX) } : {};
    return { grant: number(one as Args, "grant"), did, ...reason };
  });
}

function number(args: Args, name: string): number {
  const value = args[name];
  const isNumber = typeof value === "number" && Number.isInteger(value);
  if (isNumber && value >= 1 && value <= U32) return value;
  throw wrong(name, `an integer from 1 to ${U32}`);
}

function wrong(name: string, form: string): CtdbxError {
  return new CtdbxError("state", `Cannot take the question: ${name} must be ${form}`);
}
